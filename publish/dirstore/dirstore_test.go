package dirstore

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/publish/store"
	"github.com/embedgate/embedgate/publish/storetest"
)

func TestTheSuite(t *testing.T) {
	for _, r := range storetest.Rules {
		t.Run(r.Name, func(t *testing.T) {
			require.NoError(t, r.Check(t.Context(), t.TempDir(), func() store.Store {
				return New(filepath.Join(t.TempDir(), "not", "made", "yet"), nil)
			}))
		})
	}
}

func small() store.Release {
	return store.Release{Name: "model-1", Files: map[string]store.File{store.ManifestName: store.FileOf([]byte("{}"))}}
}

func TestPutRemovesTheTemporaryNamesOfThisPackageOnly(t *testing.T) {
	dir := t.TempDir()
	own := tmpPrefix + strings.Repeat("0a", 16)
	kept := []string{tmpPrefix + "notes", tmpPrefix, own + "x", tmpPrefix + strings.Repeat("0A", 16), tmpPrefix + "123456"}
	for _, d := range append(kept, own) {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, d, "file"), []byte("mine"), 0o644))
	}
	file := tmpPrefix + strings.Repeat("1b", 16)
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("mine"), 0o644))
	require.NoError(t, New(dir, nil).Put(t.Context(), small()))
	require.NoDirExists(t, filepath.Join(dir, own), "left by a publisher that was killed")
	require.FileExists(t, filepath.Join(dir, file))
	for _, d := range kept {
		require.FileExists(t, filepath.Join(dir, d, "file"))
	}
}

func TestAFailedPutLeavesTheLockAlone(t *testing.T) {
	dir := t.TempDir()
	r := small()
	r.Files["gone"] = store.File{Path: filepath.Join(dir, "gone")}
	require.Error(t, New(dir, nil).Put(t.Context(), r))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, ".embedgate.lock", entries[0].Name())
}

func TestADirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dist")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		s := New(dir, nil)
		exists, err := s.Exists(t.Context(), "model-1")
		require.NoError(t, err)
		require.False(t, exists)
		err = s.Put(t.Context(), small())
		require.Equal(t, fault.Missing, fault.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "--to")
	}
}

func TestWhatIsNoFolderOfAReleaseIsTakenButNotOpened(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "link")))
	}
	s := New(dir, nil)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		exists, err := s.Exists(t.Context(), e.Name())
		require.NoError(t, err)
		assert.True(t, exists, e.Name())
		_, err = s.Open(t.Context(), e.Name())
		assert.Equal(t, fault.Usage, fault.KindOf(err), "%v", err)
		r := small()
		r.Name = e.Name()
		assert.ErrorIs(t, s.Put(t.Context(), r), store.ErrExists)
	}
}

func TestAReleaseIsReadableByOthers(t *testing.T) {
	s := New(t.TempDir(), nil)
	require.NoError(t, s.Put(t.Context(), small()))
	i, err := os.Stat(s.Location("model-1"))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(0o755), i.Mode().Perm())
	}
}
