package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/placement"
)

// Recorder is a session that records where its nodes run: what was assigned to
// which provider when it was made, and what was executed, timed by ONNX Runtime
// itself. Recording costs time, so a recorded session is never one that is
// timed otherwise. It is for one goroutine.
type Recorder struct {
	session  *Session
	dir      string // of the profile
	assigned []providers.Subgraph
	ranges   []runRange
	done     bool
}

// runRange is some of the executions, by their numbers.
type runRange struct{ from, to int }

// OpenRecorded is Open for a Recorder. The caller finishes or closes it.
func OpenRecorded(ctx context.Context, c Config) (*Recorder, error) {
	dir, err := os.MkdirTemp("", "embedgate-record-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the runtime's profile: %w", err)
	}
	r := &Recorder{dir: dir}
	if r.session, err = open(ctx, c, filepath.Join(dir, "profile")); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if r.assigned, err = r.session.api.Assigned(r.session.model); err != nil {
		return nil, errors.Join(fmt.Errorf("read which provider got which node: %w", err), r.Close())
	}
	return r, nil
}

// Info says what was opened.
func (r *Recorder) Info() providers.Info { return r.session.Info() }

// Run runs b once unrecorded, because a first run compiles what later ones
// only use, and then runs times recorded.
func (r *Recorder) Run(ctx context.Context, b providers.Batch, runs int) error {
	var out []float32
	var m runRange
	for i := range runs + 1 {
		var err error
		if out, err = r.session.Run(ctx, b, out[:0]); err != nil {
			return err
		}
		if i == 0 {
			m.from = r.session.executed
		}
	}
	m.to = r.session.executed
	r.ranges = append(r.ranges, m)
	return nil
}

// Finish closes the session and returns one record for each Run, in order. A
// graph with a fixed batch is executed several times for a larger batch, and
// its events count each.
func (r *Recorder) Finish() (_ []providers.Placement, err error) {
	if r.done {
		return nil, providers.ErrClosed
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	executed := r.session.executed
	// The profile is written when the session is destroyed.
	if err := r.session.Close(); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("ONNX Runtime wrote %d profiles and not one", len(files))
	}
	f, err := os.Open(files[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := placement.ReadProfile(f)
	if err != nil {
		return nil, err
	}
	if len(p.Runs) != executed {
		return nil, fmt.Errorf("ONNX Runtime's profile: got %d runs, wanted the %d that were made: it is not whole", len(p.Runs), executed)
	}
	all := make([]providers.Placement, len(r.ranges))
	for i, m := range r.ranges {
		all[i] = providers.Placement{Assigned: r.assigned, Events: p.Sum(m.from, m.to)}
	}
	return all, nil
}

// Close closes the session without a record. After Finish it does nothing.
func (r *Recorder) Close() error {
	r.done = true
	return errors.Join(r.session.Close(), os.RemoveAll(r.dir))
}
