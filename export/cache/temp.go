package cache

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// runPrefix begins the name of every folder that Temp makes.
const runPrefix = "run-"

// Temp makes a folder in dir that goes when done is called. Folders there whose
// process ended without calling it, as one that was killed does, are removed
// first: each has a lock beside it, which the kernel gives back whatever
// happens.
func Temp(dir string) (path string, done func(), err error) {
	if err := folder(dir); err != nil {
		return "", nil, err
	}
	clean(dir)
	// The lock comes first, so that nobody sees the folder without it.
	f, err := os.CreateTemp(dir, runPrefix+"*"+lockSuffix)
	if err != nil {
		return "", nil, unwritable(dir, err)
	}
	_ = f.Close() // nothing was written
	l := flock.New(f.Name())
	if ok, err := l.TryLock(); err != nil || !ok {
		return "", nil, lockFault(f.Name(), err)
	}
	path = strings.TrimSuffix(f.Name(), lockSuffix)
	if err := os.Mkdir(path, 0o700); err != nil {
		_ = l.Unlock()
		return "", nil, unwritable(dir, err)
	}
	return path, func() { discard(path, l) }, nil
}

// clean removes what dead runs left in dir. What cannot be removed now is left
// to the next run.
func clean(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, _ := strings.CutSuffix(e.Name(), lockSuffix)
		path := filepath.Join(dir, name)
		if !strings.HasPrefix(name, runPrefix) || plain(path+lockSuffix) != nil {
			continue
		}
		if i, err := e.Info(); !Exists(path+lockSuffix) && (err != nil || time.Since(i.ModTime()) < stale) {
			continue // an older embedgate's, which took no lock
		}
		l := flock.New(path + lockSuffix)
		if ok, err := l.TryLock(); err == nil && ok {
			discard(path, l)
		}
	}
}

// discard removes a folder and the lock that the caller holds on it. The name
// is never used again, so that nobody waits for the lock's file.
func discard(path string, l *flock.Flock) {
	_ = os.RemoveAll(path)
	_ = os.Remove(l.Path())
	_ = l.Unlock()
	_ = os.Remove(l.Path()) // on Windows it could not go while it was open
}
