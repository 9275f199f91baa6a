// Package cache is embedgate's folder in the user's cache directory: where it
// is, how two processes share it, and how the leftovers of a killed one are
// removed. It must not know what is kept there.
package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/embedgate/embedgate/internal/fault"
)

// Dir returns embedgate's folder in the user's cache directory
// (XDG_CACHE_HOME where it is set, on macOS too). It need not exist yet.
func Dir() (string, error) {
	if d := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "embedgate"), nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", &fault.Error{
			Kind: fault.Missing, Thing: "the user's cache directory", Got: "none",
			Wanted: "a place for Python environments and exports", Err: err, Next: "set HOME, or XDG_CACHE_HOME to an absolute path",
		}
	}
	return filepath.Join(d, "embedgate"), nil
}

// DirOr returns dir as an absolute path, or Dir when it is empty.
func DirOr(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	return Dir()
}

// Exists reports whether path exists.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// makeDir makes a folder of the cache.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return unwritableFault(dir, err)
	}
	return nil
}

// unwritableFault is the error of a folder of the cache that is read-only, or somebody
// else's, or on a full disk.
func unwritableFault(dir string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: dir, Wanted: "a cache folder that can be written", Err: err,
		Next: "free space or correct the permissions there, or set XDG_CACHE_HOME to another folder",
	}
}

// TempDir makes a folder for the files of one call, outside the cache. The caller
// removes it.
func TempDir(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		variable := "TMPDIR"
		if runtime.GOOS == "windows" {
			variable = "TMP"
		}
		return "", &fault.Error{
			Kind: fault.Missing, Thing: os.TempDir(), Wanted: "a folder for temporary files that can be written", Err: err,
			Next: "free space or correct the permissions there, or set " + variable + " to another folder",
		}
	}
	return dir, nil
}
