//go:build !unix

package pyenv

import "os/exec"

// ownGroup leaves c as it is: Windows ends the child alone.
func ownGroup(*exec.Cmd) {}
