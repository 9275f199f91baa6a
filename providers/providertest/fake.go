package providertest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/embedgate/embedgate/providers"
)

// Fake is a session without a runtime that keeps the contract: a vector is a
// hash of the real tokens, and a row takes PerRow. It is for tests of code
// that uses a session, beside tests with a real one.
type Fake struct {
	Facts  Facts
	PerRow time.Duration

	lock   chan struct{}
	once   sync.Once
	closed bool
}

var errMemory = errors.New("fake: out of memory")

var errBatch = errors.New("fake: a batch that breaks the contract")

func (s *Fake) acquire(ctx context.Context) error {
	s.once.Do(func() { s.lock = make(chan struct{}, 1); s.lock <- struct{}{} })
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.lock:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Fake) release() { s.lock <- struct{}{} }

// Run is providers.Session's Run.
func (s *Fake) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	if err := s.check(b); err != nil {
		return out, err
	}
	if err := s.acquire(ctx); err != nil {
		return out, err
	}
	defer s.release()
	if s.closed {
		return out, providers.ErrClosed
	}
	at := len(out)
	for r := range b.Rows {
		if s.PerRow > 0 {
			select {
			case <-ctx.Done():
				return out[:at], ctx.Err()
			case <-time.After(s.PerRow):
			}
		}
		out = s.vector(out, b.IDs[r*b.Cols:(r+1)*b.Cols], b.Mask[r*b.Cols:(r+1)*b.Cols])
	}
	return out, nil
}

func (s *Fake) check(b providers.Batch) error {
	if b.Rows < 0 || b.Cols < 0 || b.Cols > s.Facts.MaxTokens || len(b.IDs) != len(b.Mask) {
		return errBatch
	}
	if b.Rows == 0 && len(b.IDs) == 0 {
		return nil
	}
	if s.Facts.OutOfMemoryRows > 0 && b.Rows >= s.Facts.OutOfMemoryRows {
		return errMemory
	}
	if b.Cols == 0 || len(b.IDs)%b.Cols != 0 || len(b.IDs)/b.Cols != b.Rows {
		return errBatch
	}
	for _, id := range b.IDs {
		if id < 0 || id >= s.Facts.Vocab {
			return errBatch
		}
	}
	return nil
}

func (s *Fake) vector(out []float32, ids, mask []int64) []float32 {
	h := uint64(14695981039346656037)
	for i, id := range ids {
		if mask[i] != 0 {
			h = (h ^ uint64(id)) * 1099511628211
		}
	}
	v := make([]float64, s.Facts.Dim)
	norm := 0.0
	for i := range v {
		h = h*6364136223846793005 + 1442695040888963407
		v[i] = float64(h>>11)/(1<<53) - 0.5
		norm += v[i] * v[i]
	}
	norm = math.Sqrt(norm)
	if !s.Facts.Normalize {
		norm = 1
	}
	out = slices.Grow(out, len(v))
	for _, x := range v {
		out = append(out, float32(x/norm))
	}
	return out
}

// Dim is the length of one vector.
func (s *Fake) Dim() int { return s.Facts.Dim }

// MaxTokens is the longest row.
func (s *Fake) MaxTokens() int { return s.Facts.MaxTokens }

// Info is complete, with invented values.
func (s *Fake) Info() providers.Info {
	spin := false
	return providers.Info{
		Provider: s.Facts.Provider, Runtime: "fake", RuntimeVersion: "1", Library: "fake",
		LibrarySHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		Options:       providers.Options{Threads: 1, Spinning: &spin, DisabledOptimizers: []string{}},
		Available:     []string{"fake"},
		Device:        providers.Device{Name: "none"},
	}
}

// Close waits for the run in progress.
func (s *Fake) Close() error {
	if err := s.acquire(context.Background()); err != nil {
		return err
	}
	defer s.release()
	s.closed = true
	return nil
}
