//go:build !unix

package measure

import (
	"os"
	"os/exec"
)

// alone leaves a child as it is: there are no process groups here.
func alone(*exec.Cmd) {}

// signalOf names no signal: there are none here.
func signalOf(*os.ProcessState) string { return "" }
