package ort

import (
	"context"
	"fmt"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// Run is providers.Session's Run.
func (s *Session) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	if err := s.check(b); err != nil {
		return out, err
	}
	select {
	case <-s.lock:
	default:
		select {
		case <-s.lock:
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
	defer s.unlock()
	if s.closed {
		return out, providers.ErrClosed
	}
	if b.Rows == 0 {
		return out, nil
	}
	if s.rows == 0 && s.cols == 0 {
		return s.execute(ctx, b, b.Rows, out)
	}
	return s.runPadded(ctx, b, out)
}

// execute runs a batch of the graph's own shape and appends its first real
// rows. The caller holds the lock.
func (s *Session) execute(ctx context.Context, b providers.Batch, real int, out []float32) ([]float32, error) {
	at := shape{b.Rows, b.Cols}
	t, err := s.bufs.setInputs(at, b.IDs, b.Mask)
	if err != nil {
		return out, err
	}
	s.executed++
	run := func() error { return s.model.RunWithOptions(t.inputs, t.outputs, s.stopper.options) }
	if s.binding != nil {
		run = func() error { return s.binding.run(at, t) }
	}
	var stopped bool
	if s.remote {
		stopped, s.detached, err = s.stopper.runDetached(ctx, run)
	} else {
		stopped, err = s.stopper.runUntil(ctx, run)
	}
	if stopped {
		return out, ctx.Err()
	}
	if err != nil && outOfMemory(err) {
		return out, &fault.Error{Kind: fault.Missing, Thing: fmt.Sprintf("batch of %d × %d tokens", b.Rows, b.Cols),
			Got: "a run for which there is not enough memory", Wanted: "less at once, or a machine with more", Err: err}
	}
	if err != nil {
		return out, &fault.Error{Kind: fault.Usage, Thing: fmt.Sprintf("batch of %d × %d tokens", b.Rows, b.Cols),
			Got: "a run that ONNX Runtime refused", Wanted: "ids inside the model's vocabulary, and a model that takes them", Err: err}
	}
	got := s.bufs.output(at)
	if s.pooled {
		return append(out, got[:real*s.dim]...), nil
	}
	return s.pool.Append(out, got, b.Mask, real, b.Cols), nil
}

// outOfMemory says whether ONNX Runtime's error is about memory; it has no code
// of its own for that.
func outOfMemory(err error) bool {
	s := strings.ToLower(err.Error())
	for _, sign := range []string{"failed to allocate", "bad_alloc", "out of memory", "out-of-memory", "[invalid buffer", "bad allocation"} {
		if strings.Contains(s, sign) {
			return true
		}
	}
	return false
}

// unlock releases the lock: at once, or, when a run was detached, when that run
// has ended.
func (s *Session) unlock() {
	rest := s.detached
	if s.detached = nil; rest == nil {
		s.lock <- struct{}{}
		return
	}
	go func() {
		<-rest
		s.lock <- struct{}{}
	}()
}

// check refuses what the runtime would misread. ONNX's Gather takes negative
// indices as counted from the end, so a negative id would give a vector.
func (s *Session) check(b providers.Batch) error {
	bad := func(got, wanted string) error {
		return &fault.Error{Kind: fault.Usage, Thing: "batch", Got: got, Wanted: wanted}
	}
	switch {
	case b.Rows < 0 || b.Cols < 0:
		return bad(fmt.Sprintf("%d × %d", b.Rows, b.Cols), "sizes of 0 or more")
	case b.Rows == 0:
		if len(b.IDs) != 0 || len(b.Mask) != 0 {
			return bad(fmt.Sprintf("%d ids and %d mask values", len(b.IDs), len(b.Mask)), "none for 0 rows")
		}
		return nil
	case b.Cols == 0:
		return bad("rows of no tokens", "at least one token a row")
	case b.Cols > s.maxTokens:
		return bad(fmt.Sprintf("rows of %d tokens", b.Cols), fmt.Sprintf("at most %d", s.maxTokens))
	// Divided and not multiplied: the product may overflow.
	case len(b.IDs)%b.Cols != 0 || len(b.IDs)/b.Cols != b.Rows || len(b.Mask) != len(b.IDs):
		return bad(fmt.Sprintf("%d ids and %d mask values", len(b.IDs), len(b.Mask)),
			fmt.Sprintf("%d × %d of each", b.Rows, b.Cols))
	}
	for i, id := range b.IDs {
		if id < 0 {
			return bad(fmt.Sprintf("id %d at row %d, column %d", id, i/b.Cols, i%b.Cols), "ids of 0 or more")
		}
		if s.vocabulary > 0 && id >= s.vocabulary {
			return bad(fmt.Sprintf("id %d at row %d, column %d", id, i/b.Cols, i%b.Cols), fmt.Sprintf("ids below %d, the model's vocabulary", s.vocabulary))
		}
	}
	for i, m := range b.Mask {
		if m != 0 && m != 1 {
			return bad(fmt.Sprintf("mask %d at row %d, column %d", m, i/b.Cols, i%b.Cols), "0 or 1")
		}
	}
	return nil
}
