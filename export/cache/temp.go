package cache

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// runPrefix begins the name of every folder that RunDir makes.
const runPrefix = "run-"

// RunDir makes a folder in dir; done removes it. Folders of processes that were
// killed, so that they did not call done, are removed first: each has a lock
// beside it, which the kernel releases when its process ends.
func RunDir(dir string) (path string, done func(), err error) {
	if err := makeDir(dir); err != nil {
		return "", nil, err
	}
	removeDead(dir)
	// The lock comes first, so that nobody sees the folder without it.
	f, err := os.CreateTemp(dir, runPrefix+"*"+lockSuffix)
	if err != nil {
		return "", nil, unwritableFault(dir, err)
	}
	_ = f.Close() // nothing was written
	l := flock.New(f.Name())
	if ok, err := l.TryLock(); err != nil || !ok {
		return "", nil, lockFault(f.Name(), err)
	}
	path = strings.TrimSuffix(f.Name(), lockSuffix)
	if err := os.Mkdir(path, 0o700); err != nil {
		_ = l.Unlock()
		return "", nil, unwritableFault(dir, err)
	}
	return path, func() { removeLocked(path, l) }, nil
}

// removeDead removes the folders of killed runs in dir. The next run tries again
// to remove what cannot be removed now.
func removeDead(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, _ := strings.CutSuffix(e.Name(), lockSuffix)
		path := filepath.Join(dir, name)
		if !strings.HasPrefix(name, runPrefix) || refuseIrregular(path+lockSuffix) != nil {
			continue
		}
		if i, err := e.Info(); !Exists(path+lockSuffix) && (err != nil || time.Since(i.ModTime()) < staleAge) {
			continue // an older version of embedgate made it, which took no lock
		}
		l := flock.New(path + lockSuffix)
		if ok, err := l.TryLock(); err == nil && ok {
			removeLocked(path, l)
		}
	}
}

// removeLocked removes a folder and the lock that the caller holds on it. The name
// is never used again, so that nobody waits for the lock's file.
func removeLocked(path string, l *flock.Flock) {
	_ = os.RemoveAll(path)
	_ = os.Remove(l.Path())
	_ = l.Unlock()
	_ = os.Remove(l.Path()) // Windows does not remove an open file
}
