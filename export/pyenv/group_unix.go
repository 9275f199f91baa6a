//go:build unix

package pyenv

import (
	"os/exec"
	"syscall"
)

// ownGroup puts c in a process group of its own, so that what it starts ends
// with it.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
}
