// Package cache is embedgate's folder in the user's cache directory: where it
// is, how two processes share it, and how what a dead one left is cleaned. It
// must not know what is kept there.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/embedgate/embedgate/pipeline/fault"
)

// Dir returns embedgate's folder in the user's cache directory
// (XDG_CACHE_HOME where it is set). It need not exist yet.
func Dir() (string, error) {
	d, err := os.UserCacheDir()
	if err != nil {
		return "", &fault.Error{
			Kind: fault.Missing, Thing: "the user's cache directory", Got: "none",
			Wanted: "a place for Python environments and exports", Err: err, Next: "set HOME or XDG_CACHE_HOME",
		}
	}
	return filepath.Join(d, "embedgate"), nil
}

// Or returns dir, or Dir when it is empty.
func Or(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	return Dir()
}

// Lock takes the exclusive lock path+".lock", making its folder. busy, if not
// nil, is called once when another process holds it.
func Lock(ctx context.Context, path string, busy func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, fmt.Errorf("the cache: %w", err)
	}
	l := flock.New(path + ".lock")
	ok, err := l.TryLock()
	if err == nil && !ok {
		if busy != nil {
			busy()
		}
		ok, err = l.TryLockContext(ctx, 100*time.Millisecond)
	}
	if err == nil && !ok {
		err = errors.New("not taken")
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	return func() { _ = l.Unlock() }, nil // the lock goes with the process anyway
}

// stale is how old an unfinished folder must be before it is taken for a dead
// process's: longer than any export or installation.
const stale = 24 * time.Hour

// Clean removes old folders in dir whose names begin with prefix: what
// processes that were killed left there.
func Clean(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing there yet
	}
	for _, e := range entries {
		i, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), prefix) && time.Since(i.ModTime()) > stale {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // the next run tries again
		}
	}
}

// Exists tells whether path is there.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
