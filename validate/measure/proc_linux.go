package measure

import "syscall"

// dieWithParent has the kernel kill the child when its parent ends, whatever
// the child is doing then. A child also ends when its stdin does, which works
// everywhere but waits for the runtime to return.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
