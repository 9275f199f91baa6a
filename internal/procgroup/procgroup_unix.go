//go:build unix

// Package procgroup starts a child in a process group of its own, so that it
// ends with all that it started. It must not know what the child does.
package procgroup

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// InterruptOnCancel has the group of c get SIGINT when c's context ends, and
// SIGKILL after grace. It is called before c starts.
func InterruptOnCancel(c *exec.Cmd, grace time.Duration) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error {
		group := -c.Process.Pid
		time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) }) // the group is gone already where all went well
		err := syscall.Kill(group, syscall.SIGINT)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// KillOnCancel has the group of c get SIGKILL when c's context ends and, on
// Linux, c itself when the thread that started it ends. It is called before c
// starts. The terminal's Ctrl-C reaches the parent alone, which then ends the
// child.
func KillOnCancel(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.SysProcAttr)
	c.Cancel = func() error {
		return syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
}

// Signal names the signal that ended a process; empty when it exited.
func Signal(s *os.ProcessState) string {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return unix.SignalName(ws.Signal())
	}
	return ""
}
