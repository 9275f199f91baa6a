package measure

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envParent makes a child of this test a parent that measures with a hanging
// session.
const envParent = "EMBEDGATE_TEST_PARENT"

func TestAChildDiesWithItsParent(t *testing.T) {
	if os.Getenv(envParent) != "" {
		_, err := Run(t.Context(), fakeOptions(t))
		t.Fatalf("the parent outlived its death: %v", err)
	}
	t.Setenv(envFake, "hang@5")
	t.Setenv("TMPDIR", t.TempDir()) // a killed parent cleans nothing up
	pid := pidFile(t)
	exe, err := os.Executable()
	require.NoError(t, err)
	parent := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$")
	parent.Env = append(os.Environ(), envParent+"=1")
	parent.Stdout = os.Stderr
	require.NoError(t, parent.Start())
	child := <-pid
	require.True(t, running(child))
	require.NoError(t, parent.Process.Signal(syscall.SIGKILL))
	_ = parent.Wait()
	require.Eventually(t, func() bool { return !running(child) }, 30*time.Second, 10*time.Millisecond)
}

// running reports whether a process runs. A zombie does not.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	i := bytes.LastIndexByte(b, ')')
	return i >= 0 && i+2 < len(b) && b[i+2] != 'Z' && b[i+2] != 'X'
}
