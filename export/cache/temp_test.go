package cache_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/cache"
)

// tempDir names the folder in which a child of a test makes one and dies.
const tempDir = "EMBEDGATE_TEST_TEMP_DIR"

func TestAFolderOfARunThatDiedIsRemovedByTheNextOne(t *testing.T) {
	if dir := os.Getenv(tempDir); dir != "" {
		path, _, err := cache.RunDir(dir)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(path, "evidence"), nil, 0o666))
		os.Exit(0) // as a kill does, without a word
	}
	dir := filepath.Join(t.TempDir(), "runs")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), tempDir+"="+dir)
	require.NoError(t, child.Run())
	require.Len(t, names(t, dir), 2, "a folder and its lock")

	old, fresh := filepath.Join(dir, "run-old"), filepath.Join(dir, "run-fresh")
	require.NoError(t, os.MkdirAll(old, 0o777))
	require.NoError(t, os.MkdirAll(fresh, 0o777))
	past := time.Now().Add(-48 * time.Hour)
	require.NoError(t, os.Chtimes(old, past, past))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "somebody-elses"), nil, 0o666))

	mine, done, err := cache.RunDir(dir)
	require.NoError(t, err)
	other, alsoDone, err := cache.RunDir(dir)
	require.NoError(t, err)
	require.DirExists(t, mine, "its process lives")
	require.DirExists(t, other)
	require.NoDirExists(t, old)
	require.DirExists(t, fresh, "without a lock it may be an older embedgate at work")
	require.Len(t, names(t, dir), 6)
	done()
	alsoDone()
	require.ElementsMatch(t, []string{"run-fresh", "somebody-elses"}, names(t, dir))
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
