//go:build unix

package process

import (
	"bufio"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAGroupThatIgnoresTheInterruptIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the grace to end")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := Command(ctx, "/bin/sh", "-c", `trap "" INT; sleep 600 & echo $!; sleep 600`)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	cancel()
	err = c.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Eventually(t, func() bool { return syscall.Kill(grandchild, 0) != nil || zombie(grandchild) }, 20*time.Second, 20*time.Millisecond)
}

// zombie tells whether a process is dead and only waits to be collected, as in
// a container whose first process collects nobody.
func zombie(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
