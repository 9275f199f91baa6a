package ort

import (
	"context"
	"fmt"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// stopper ends a run when its context ends. It serves one run at a time.
type stopper struct {
	options *ort.RunOptions
	fired   chan error // one message for each context that ended in time
	fire    func()
}

func newStopper() (*stopper, error) {
	o, err := ort.NewRunOptions()
	if err != nil {
		return nil, fmt.Errorf("make run options: %w", err)
	}
	st := &stopper{options: o, fired: make(chan error, 1)}
	st.fire = func() { st.fired <- o.Terminate() }
	return st, nil
}

// watch calls run and returns its error; stopped says that ctx ended before
// run did. Nothing of ctx reaches a later run: if its end was noticed, watch
// waits until it has been acted on, and takes it back.
func (st *stopper) watch(ctx context.Context, run func() error) (stopped bool, err error) {
	if ctx.Done() == nil {
		return false, run()
	}
	disarm := context.AfterFunc(ctx, st.fire)
	err = run()
	if disarm() {
		return false, err
	}
	ferr := <-st.fired
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

// grace is how long a run may take to end after it was told to.
const grace = 10 * time.Millisecond

// leave is watch for a runtime that hands all of its work to a device at once
// and cannot call it back: it does not wait longer than grace for a run whose
// ctx has ended. rest is then closed when the run has ended after all; until
// then nothing that the run uses may be touched. It is nil where run is over.
func (st *stopper) leave(ctx context.Context, run func() error) (stopped bool, rest <-chan struct{}, err error) {
	if ctx.Done() == nil {
		return false, nil, run()
	}
	over := make(chan struct{})
	var rerr error
	go func() {
		_, rerr = st.watch(ctx, run)
		close(over)
	}()
	select {
	case <-over:
		return rerr != nil && ctx.Err() != nil, nil, rerr
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-over:
		return rerr != nil, nil, rerr
	case <-late.C:
		return true, over, ctx.Err()
	}
}

func (st *stopper) free() error { return st.options.Destroy() }
