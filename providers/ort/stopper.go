package ort

import (
	"context"
	"fmt"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// stopper ends a run when its context ends. It serves one run at a time.
type stopper struct {
	options    *ort.RunOptions
	terminated chan error // one message for each context that ended before its run
	terminate  func()
}

func newStopper() (*stopper, error) {
	o, err := ort.NewRunOptions()
	if err != nil {
		return nil, fmt.Errorf("make run options: %w", err)
	}
	st := &stopper{options: o, terminated: make(chan error, 1)}
	st.terminate = func() { st.terminated <- o.Terminate() }
	return st, nil
}

// runUntil calls run and returns its error; stopped says that ctx ended before
// run did. A later run is not affected by ctx: where the request to terminate
// was sent, runUntil waits until it was handled, and then withdraws it.
func (st *stopper) runUntil(ctx context.Context, run func() error) (stopped bool, err error) {
	if ctx.Done() == nil {
		return false, run()
	}
	unregister := context.AfterFunc(ctx, st.terminate)
	err = run()
	if unregister() {
		return false, err
	}
	ferr := <-st.terminated
	if uerr := st.options.UnsetTerminate(); uerr != nil {
		ferr = uerr
	}
	if err == nil && ferr == nil {
		return false, nil // it finished first
	}
	if err == nil {
		return false, fmt.Errorf("stop a run: %w", ferr)
	}
	return true, err
}

// gracePeriod is how long a run may take to end after it was asked to.
const gracePeriod = 10 * time.Millisecond

// runDetached is runUntil for a runtime that gives all of its work to a device
// at once and cannot interrupt it: it waits no longer than gracePeriod for a run
// whose ctx has ended. detached is then closed when that run ends; until then
// nothing that the run uses may be changed. It is nil where the run is over.
func (st *stopper) runDetached(ctx context.Context, run func() error) (stopped bool, detached <-chan struct{}, err error) {
	if ctx.Done() == nil {
		return false, nil, run()
	}
	over := make(chan struct{})
	var rerr error
	go func() {
		_, rerr = st.runUntil(ctx, run)
		close(over)
	}()
	select {
	case <-over:
		return rerr != nil && ctx.Err() != nil, nil, rerr
	case <-ctx.Done():
	}
	late := time.NewTimer(gracePeriod)
	defer late.Stop()
	select {
	case <-over:
		return rerr != nil, nil, rerr
	case <-late.C:
		return true, over, ctx.Err()
	}
}

func (st *stopper) free() error { return st.options.Destroy() }
