package cache

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/embedgate/embedgate/pipeline/fault"
)

// Lock takes the exclusive lock path+".lock", making its folder, and waits for
// it until ctx ends. busy, if not nil, is called once when another holds it.
// The kernel gives the lock back when its holder dies, however it dies. The
// lock's file stays: to remove it would let two hold the same lock.
func Lock(ctx context.Context, path string, busy func()) (unlock func(), err error) {
	if err := folder(filepath.Dir(path)); err != nil {
		return nil, err
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
	if err == nil {
		return func() { _ = l.Unlock() }, nil // the lock goes with the process anyway
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("waiting for %s.lock: %w", path, ctx.Err())
	}
	return nil, &fault.Error{
		Kind: fault.Missing, Thing: path + ".lock", Wanted: "a cache folder that can be written and locked", Err: err,
		Next: "correct the permissions there, or set XDG_CACHE_HOME to a folder on a local disk",
	}
}
