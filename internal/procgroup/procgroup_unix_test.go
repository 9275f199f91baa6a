//go:build unix

package procgroup_test

import (
	"bufio"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/procgroup"
)

func TestWhatAChildStartedEndsWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		group  func(*exec.Cmd)
		script string
		signal string
	}{
		"interrupted": {func(c *exec.Cmd) { procgroup.InterruptOnCancel(c, time.Minute) }, `sleep 600 & echo $!; wait`, "SIGINT"},
		"a group that ignores the interrupt, killed": {
			func(c *exec.Cmd) { procgroup.InterruptOnCancel(c, 100*time.Millisecond) }, `trap "" INT; sleep 600 & echo $!; sleep 600`, "SIGKILL",
		},
		"killed": {procgroup.KillOnCancel, `trap "" INT; sleep 600 & echo $!; sleep 600`, "SIGKILL"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", c.script)
			c.group(cmd)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			grandchild, err := strconv.Atoi(strings.TrimSpace(line))
			require.NoError(t, err)
			cancel()
			require.Error(t, cmd.Wait())
			assert.Equal(t, c.signal, procgroup.Signal(cmd.ProcessState))
			// An interactive shell's background job may ignore SIGINT; it is
			// killed after the grace then, which is not waited for here.
			if c.signal == "SIGKILL" {
				require.Eventually(t, func() bool { return syscall.Kill(grandchild, 0) != nil || zombie(grandchild) }, 20*time.Second, 20*time.Millisecond)
			} else {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
		})
	}
}

func TestAChildThatExitedHasNoSignal(t *testing.T) {
	c := exec.Command("sh", "-c", "exit 3")
	require.Error(t, c.Run())
	require.Empty(t, procgroup.Signal(c.ProcessState))
}

// zombie tells whether a process is dead and only waits to be collected, as in
// a container whose first process collects nobody.
func zombie(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
