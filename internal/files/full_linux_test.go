package files_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/embedgate/embedgate/internal/files"
)

// A limit on a file's size fails a write in the middle, as a full disk does.
// It holds for the whole process, so the test runs in one of its own.
func TestAWriteThatFailsInTheMiddleLeavesTheOldFileAndNoOther(t *testing.T) {
	const inChild = "EMBEDGATE_TEST_SMALL_FILES"
	if os.Getenv(inChild) == "" {
		exe, err := os.Executable()
		require.NoError(t, err)
		c := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), inChild+"=1")
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	dir := t.TempDir()
	p := put(t, dir, "f", "old")
	from := put(t, dir, "large", string(make([]byte, 100_000)))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 50_000, Max: 50_000}))
	require.ErrorIs(t, files.WriteAtomic(p, make([]byte, 100_000)), syscall.EFBIG)
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, "old", string(b))
	_, err = files.CopyFile(t.Context(), from, filepath.Join(dir, "copy"), files.NoLimit, 0o644)
	require.ErrorIs(t, err, syscall.EFBIG)
	var read *files.ReadError
	require.NotErrorAs(t, err, &read)
	e, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, e, 2)
}
