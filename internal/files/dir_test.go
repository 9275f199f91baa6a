package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folder makes a folder of two files, so that one that is half there shows.
func folder(t *testing.T, path, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(path, 0o777))
	for _, f := range []string{"a", "b"} {
		require.NoError(t, os.WriteFile(filepath.Join(path, f), []byte(text), 0o666))
	}
	return path
}

// content is the text of a whole folder; "" where there is none.
func content(t *testing.T, path string) string {
	t.Helper()
	if !exists(path) {
		return ""
	}
	a, err := os.ReadFile(filepath.Join(path, "a"))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(path, "b"))
	require.NoError(t, err)
	require.Equal(t, string(a), string(b))
	return string(a)
}

func names(t *testing.T, dir string) (l []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		l = append(l, e.Name())
	}
	return l
}

// ways are the system's own renames, and those of a system that cannot
// exchange.
func ways() map[string]renames {
	without := system
	without.exchange = func(string, string) error { return errors.ErrUnsupported }
	return map[string]renames{"this system": system, "a system without an exchange": without}
}

func TestAFolderIsReplacedAndTheOldOneIsGone(t *testing.T) {
	for name, s := range ways() {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "dir")
			require.NoError(t, s.replace(folder(t, filepath.Join(root, "new"), "1"), dir))
			assert.Equal(t, "1", content(t, dir))
			require.NoError(t, s.replace(folder(t, filepath.Join(root, "new"), "2"), dir))
			assert.Equal(t, "2", content(t, dir))
			assert.Equal(t, []string{"dir"}, names(t, root))

			err := s.replace(filepath.Join(root, "absent"), dir)
			require.ErrorIs(t, err, fs.ErrNotExist)
			assert.Equal(t, "2", content(t, dir), "after an error it is as it was")
			assert.Equal(t, []string{"dir"}, names(t, root))
		})
	}
}

type killed struct{ step string }

// A kill is a panic here: nothing that would have come after it happens.
func TestAKillBetweenTheStepsLosesNoFolder(t *testing.T) {
	for name, s := range ways() {
		var steps []string
		s.step = func(step string) { steps = append(steps, step) }
		root := t.TempDir()
		require.NoError(t, s.replace(folder(t, filepath.Join(root, "new"), "new"), folder(t, filepath.Join(root, "dir"), "old")))
		require.GreaterOrEqual(t, len(steps), 3)
		for _, at := range steps {
			t.Run(name+", before "+at, func(t *testing.T) {
				root := t.TempDir()
				fresh, dir := folder(t, filepath.Join(root, "new"), "new"), folder(t, filepath.Join(root, "dir"), "old")
				s.step = func(step string) {
					if step == at {
						panic(killed{step})
					}
				}
				require.PanicsWithValue(t, killed{at}, func() { _ = s.replace(fresh, dir) })
				if name == "this system" && s.exchange(t.TempDir(), t.TempDir()) == nil {
					assert.Contains(t, []string{"old", "new"}, content(t, dir), "at any moment")
				}
				require.NoError(t, RestoreDir(dir))
				assert.Contains(t, []string{"old", "new"}, content(t, dir), "at the latest at the next call")
				s.step = func(string) {}
				require.NoError(t, s.replace(folder(t, filepath.Join(root, "newer"), "newer"), dir))
				assert.Equal(t, "newer", content(t, dir))
				assert.NotContains(t, names(t, root), filepath.Base(aside(dir)))
				assert.NotContains(t, names(t, root), filepath.Base(aside(dir))+"-gone")
			})
		}
	}
}

func TestAHalfRemovedFolderIsNeverRestored(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dir")
	folder(t, aside(dir)+"-gone", "half")
	require.NoError(t, RestoreDir(dir))
	assert.Empty(t, names(t, root))
}

func TestANewNameThatIsTakenIsNotReplaced(t *testing.T) {
	for name, rename := range map[string]func(from, to string) error{"in one step": RenameNew, "by looking first": renameChecked} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			from, to := folder(t, filepath.Join(root, "from"), "from"), folder(t, filepath.Join(root, "to"), "to")
			require.ErrorIs(t, rename(from, to), fs.ErrExist)
			assert.Equal(t, "to", content(t, to))
			require.NoError(t, rename(from, to+"2"))
			assert.Equal(t, "from", content(t, to+"2"))
		})
	}
}
