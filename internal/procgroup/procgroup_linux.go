package procgroup

import "syscall"

// dieWithParent has the kernel kill the child when its parent ends, whatever
// the child is doing then. A child that watches its stdin ends with it, too,
// on every system, but not before it returns from a call into a library.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
