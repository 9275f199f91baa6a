package cache_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
)

func TestTheFolderFollowsXDGCacheHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	d, err := cache.Dir()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(home, "embedgate"), d)
	require.NoDirExists(t, d, "to ask makes nothing")
	d, err = cache.DirOr("")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(home, "embedgate"), d)
}

func TestAFolderThatIsGivenIsMadeAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	d, err := cache.DirOr("here")
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(d))
}

func TestALockIsHeldByOneAtATime(t *testing.T) {
	p := filepath.Join(t.TempDir(), "deep", "thing")
	unlock, err := cache.Lock(t.Context(), p, func() { t.Error("nobody holds it") })
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	busy := 0
	_, err = cache.Lock(ctx, p, func() { busy++; cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, busy)

	// Whoever waits gets it when it is given back.
	next, err := cache.Lock(t.Context(), p, unlock)
	require.NoError(t, err)
	next()
	require.FileExists(t, p+".lock", "to remove it would let two hold it")
}

func TestAFolderThatCannotBeMadeIsMissing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	_, err := cache.Lock(t.Context(), filepath.Join(file, "thing"), nil)
	require.ErrorContains(t, err, file)
	require.Equal(t, fault.Missing, fault.KindOf(err))
	_, err = cache.Scratch(filepath.Join(file, "thing"))
	require.Equal(t, fault.Missing, fault.KindOf(err))
}

func TestScratchRemovesWhatTheDeadLeftAndPlaceNamesWhatIsWhole(t *testing.T) {
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	dead, err := cache.Scratch(home)
	require.NoError(t, err)
	alive, err := cache.Scratch(filepath.Join(dir, "other"))
	require.NoError(t, err)
	old, err := cache.Scratch(filepath.Join(dir, "ancient"))
	require.NoError(t, err)
	past := time.Now().Add(-48 * time.Hour)
	require.NoError(t, os.Chtimes(old, past, past))

	tmp, err := cache.Scratch(home)
	require.NoError(t, err)
	require.NoDirExists(t, dead, "its builder cannot live: the lock is held here")
	require.NoDirExists(t, old, "a day is longer than any build")
	require.DirExists(t, alive, "another's may be at work")

	require.NoError(t, os.WriteFile(filepath.Join(tmp, "f"), []byte("new"), 0o666))
	require.NoError(t, os.MkdirAll(home, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(home, "stale"), nil, 0o666))
	require.NoError(t, cache.RenameInto(tmp, home))
	require.FileExists(t, filepath.Join(home, "f"))
	require.NoFileExists(t, filepath.Join(home, "stale"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "home and the other's")
	require.True(t, cache.Exists(home))
	require.False(t, cache.Exists(tmp))
}

func TestATemporaryFolderThatCannotBeMadeNamesTheVariable(t *testing.T) {
	dir, err := cache.TempDir("embedgate-test-")
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	_, err = cache.TempDir("embedgate-test-")
	require.ErrorContains(t, err, "TMPDIR")
	require.Equal(t, fault.Missing, fault.KindOf(err))
}

func TestWithoutAHomeTheVariablesAreNamed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err := cache.Dir()
	require.ErrorContains(t, err, "set HOME, or XDG_CACHE_HOME")
	require.Equal(t, fault.Missing, fault.KindOf(err))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "relative")
	_, err = cache.Dir()
	require.ErrorContains(t, err, "XDG_CACHE_HOME")
	require.Equal(t, fault.Missing, fault.KindOf(err))
}
