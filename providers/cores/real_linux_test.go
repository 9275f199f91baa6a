package cores

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// envTell makes this test binary say what limits it and end.
const envTell = "EMBEDGATE_TEST_CORES"

func TestMain(m *testing.M) {
	if os.Getenv(envTell) != "" {
		l := Here()
		fmt.Printf("%d %v", l.Whole, l.Quota)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestARealQuotaOfOneIsOneThread(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("on one processor a quota of one takes nothing")
	}
	dir := realCgroup(t)
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command("sh", "-c", `echo $$ >"$1/cgroup.procs" && exec "$2"`, "sh", dir, self)
	c.Env = append(os.Environ(), envTell+"=1")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "1 1", string(out))
}

// realCgroup makes a cgroup with the quota of one processor, of whichever
// version this machine has.
func realCgroup(t *testing.T) string {
	name := fmt.Sprintf("embedgate-test-%d", os.Getpid())
	for _, h := range hierarchies(text(os.DirFS("/"), "proc/self/mountinfo")) {
		dir := filepath.Join("/", h.mount, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 20 { // the kernel may still count the child that ended
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("%s is left", dir)
		})
		err := os.WriteFile(filepath.Join(dir, quotaV2), []byte("100000 100000"), 0)
		if !h.v2 {
			err = os.WriteFile(filepath.Join(dir, periodV1), []byte("100000"), 0)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, quotaV1), []byte("100000"), 0)
			}
		}
		if err == nil {
			return dir
		}
	}
	t.Skip("no right to make a cgroup with a quota here: that takes root and a writable /sys/fs/cgroup")
	return ""
}
