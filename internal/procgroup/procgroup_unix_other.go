//go:build unix && !linux

package procgroup

import "syscall"

// dieWithParent has no kernel to ask here: a child ends when its stdin does.
func dieWithParent(*syscall.SysProcAttr) {}
