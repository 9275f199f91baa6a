package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/embedgate/embedgate/internal/fault"
)

// lockSuffix ends the name of every lock's file.
const lockSuffix = ".lock"

// Lock takes the exclusive lock path+".lock", making its folder, and waits for
// it until ctx ends. busy, if not nil, is called once when another holds it.
// The kernel gives the lock back when its holder dies, however it dies. The
// lock's file stays: to remove it would let two hold the same lock.
func Lock(ctx context.Context, path string, busy func()) (unlock func(), err error) {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := refuseIrregular(path + lockSuffix); err != nil {
		return nil, err
	}
	l := flock.New(path + lockSuffix)
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
	if err == nil {
		return func() { _ = l.Unlock() }, nil // the lock ends with the process anyway
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("waiting for %s.lock: %w", path, ctx.Err())
	}
	return nil, lockFault(path+lockSuffix, err)
}

// useSuffix ends the name of the lock that the users of a folder share.
const useSuffix = ".use"

// Share says that this process uses a folder of the cache, until release is
// called or the process ends. RemoveUnused leaves the folder alone meanwhile.
func Share(path string) (release func(), err error) {
	if err := refuseIrregular(path + useSuffix + lockSuffix); err != nil {
		return nil, err
	}
	l := flock.New(path + useSuffix + lockSuffix)
	if err := l.RLock(); err != nil {
		return nil, lockFault(path+useSuffix+lockSuffix, err)
	}
	return func() { _ = l.Unlock() }, nil // the lock ends with the process anyway
}

// RemoveUnused removes a folder of the cache unless somebody uses it. The
// caller holds the folder's own lock, under which its users call Share.
func RemoveUnused(path string) error {
	if err := refuseIrregular(path + useSuffix + lockSuffix); err != nil {
		return err
	}
	l := flock.New(path + useSuffix + lockSuffix)
	switch ok, err := l.TryLock(); {
	case err != nil:
		return lockFault(path+useSuffix+lockSuffix, err)
	case !ok:
		return nil
	}
	defer func() { _ = l.Unlock() }()
	return os.RemoveAll(path)
}

func lockFault(path string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: path, Wanted: "a cache folder that can be written and locked", Err: err,
		Next: "correct the permissions there, or set XDG_CACHE_HOME to a folder on a local disk",
	}
}

// refuseIrregular refuses a lock's file that is a link, a FIFO or anything but a regular
// file: to open it would make or hold a file elsewhere, or wait for ever.
func refuseIrregular(path string) error {
	i, err := os.Lstat(path)
	if err != nil || i.Mode().IsRegular() {
		return nil // the lock reports one that does not exist or cannot be examined
	}
	got := "no regular file"
	if i.Mode()&fs.ModeSymlink != 0 {
		got = "a symbolic link"
	}
	return &fault.Error{
		Kind: fault.Missing, Thing: path, Got: got, Wanted: "a regular file, or none",
		Next: "find out who put it there and remove it, or set XDG_CACHE_HOME to a folder of your own",
	}
}
