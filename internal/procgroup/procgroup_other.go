//go:build !unix

// Package procgroup starts a child in a process group of its own, so that it
// ends with all that it started. Here there are no process groups: the child
// alone ends.
package procgroup

import (
	"os"
	"os/exec"
	"time"
)

// InterruptOnCancel leaves c as it is.
func InterruptOnCancel(*exec.Cmd, time.Duration) {}

// KillOnCancel leaves c as it is.
func KillOnCancel(*exec.Cmd) {}

// Signal names no signal: there are none here.
func Signal(*os.ProcessState) string { return "" }
