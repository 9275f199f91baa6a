//go:build unix

package measure

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// alone puts a child in a process group of its own, so that it can be killed
// with whatever it started, and so that the terminal's Ctrl-C reaches the
// parent alone, which then ends the child.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// signalOf names the signal that ended a process; empty when it exited.
func signalOf(s *os.ProcessState) string {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return unix.SignalName(ws.Signal())
	}
	return ""
}
