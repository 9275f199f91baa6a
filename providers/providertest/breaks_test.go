package providertest

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/embedgate/embedgate/providers"
)

// accepting runs a batch that the fake would refuse as if it were a good one.
func accepting(s *Fake, when func(providers.Batch) bool) func(context.Context, providers.Batch, []float32) ([]float32, error) {
	return func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
		if when(b) {
			b = single(s.Facts, 2, 1)
		}
		return s.Run(ctx, b, out)
	}
}

func anyID(b providers.Batch, is func(int64) bool) bool { return slices.ContainsFunc(b.IDs, is) }

// breakages are sessions that break the contract in one way, under the name of
// the rule that must notice.
var breakages = map[string][]func(s *broken){
	"it loads and says what was opened": {
		func(s *broken) { s.info = func() providers.Info { return providers.Info{} } },
		func(s *broken) {
			s.info = func() providers.Info {
				i := s.Fake.Info()
				i.Library = "/opt/ort/libonnxruntime.so"
				return i
			}
		},
		func(s *broken) {
			s.info = func() providers.Info {
				i := s.Fake.Info()
				i.Provider = "cpu" // the silent fall-back
				return i
			}
		},
		func(s *broken) {
			s.info = func() providers.Info {
				i := s.Fake.Info()
				i.Device = providers.Device{}
				return i
			}
		},
	},
	outOfMemoryRule: {
		func(s *broken) { // answers with what it has not computed
			s.run = accepting(s.Fake, func(b providers.Batch) bool { return b.Rows >= facts.OutOfMemoryRows })
		},
		func(s *broken) { // does not recover
			spent := false
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if spent {
					return out, errMemory
				}
				got, err := s.Fake.Run(ctx, b, out)
				spent = errors.Is(err, errMemory)
				return got, err
			}
		},
		func(s *broken) { // panics
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				if errors.Is(err, errMemory) {
					panic(err)
				}
				return got, err
			}
		},
	},
	"dimension and maximum are the model's": {
		func(s *broken) { s.dim = func() int { return facts.Dim + 1 } },
		func(s *broken) { // only the first row
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				return got[:min(len(got), len(out)+facts.Dim)], err
			}
		},
	},
	"the same batch gives the same vectors": {
		func(s *broken) { // state that drifts
			n := float32(0)
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				for i := range got {
					got[i] += n
				}
				n += 0.01
				return got, err
			}
		},
	},
	"results are appended to what was there": {
		func(s *broken) { // overwrites
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				return s.Fake.Run(ctx, b, nil)
			}
		},
		func(s *broken) { // hands out its own memory
			buf := make([]float32, 0, 64)
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				return s.Fake.Run(ctx, b, append(buf[:0], out...))
			}
		},
	},
	"vectors are finite and normalised as configured": {
		func(s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				got[len(got)-1] = float32(math.NaN())
				return got, err
			}
		},
		func(s *broken) { s.Fake.Facts.Normalize = false },
	},
	"different texts give different vectors": {
		func(s *broken) { // the first row for all
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				for i := facts.Dim; i < len(got); i++ {
					got[i] = got[i%facts.Dim]
				}
				return got, err
			}
		},
		func(s *broken) { // ignores the mask
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				b.Mask = ones(len(b.Mask))
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"an empty batch appends nothing": {
		func(s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if b.Rows == 0 {
					return out, errBatch
				}
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"one token is enough": {
		func(s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if b.Cols == 1 {
					return out, errBatch
				}
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"the maximum number of tokens is taken": {
		func(s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if b.Cols == facts.MaxTokens {
					return out, errBatch
				}
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"more than the maximum is refused": {
		func(s *broken) {
			s.run = accepting(s.Fake, func(b providers.Batch) bool { return b.Cols > facts.MaxTokens })
		},
	},
	"wrong slice lengths are refused": {
		func(s *broken) {
			s.run = accepting(s.Fake, func(b providers.Batch) bool { return len(b.IDs) != len(b.Mask) })
		},
		func(s *broken) { s.run = accepting(s.Fake, func(b providers.Batch) bool { return b.Rows < 0 }) },
		func(s *broken) { // crashes instead
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				_ = b.IDs[b.Rows*b.Cols-1]
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"ids out of range are refused": {
		func(s *broken) {
			s.run = accepting(s.Fake, func(b providers.Batch) bool { return anyID(b, func(id int64) bool { return id < 0 }) })
		},
		func(s *broken) {
			s.run = accepting(s.Fake, func(b providers.Batch) bool { return anyID(b, func(id int64) bool { return id >= facts.Vocab }) })
		},
		func(s *broken) { // one bad id spoils the session
			bad := false
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if bad {
					return out, errBatch
				}
				got, err := s.Fake.Run(ctx, b, out)
				bad = err != nil
				return got, err
			}
		},
	},
	"it keeps and changes neither slice": {
		func(s *broken) {
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				clear(b.Mask)
				return got, err
			}
		},
	},
	"a vector does not change with batch, padding or position": {
		func(s *broken) { // padding leaks in
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				b.Mask = ones(len(b.Mask))
				return s.Fake.Run(ctx, b, out)
			}
		},
		func(s *broken) { // position in the batch leaks in
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(ctx, b, out)
				for i := range got {
					got[i] += float32(i/facts.Dim) * 1e-3
				}
				return got, err
			}
		},
	},
	"several goroutines may use it": {
		func(s *broken) { // one buffer, no lock that covers reading it
			var mu sync.Mutex
			shared := make([]float32, 0, 1024)
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				mu.Lock()
				got, err := s.Fake.Run(ctx, b, shared[:0])
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				return append(out, got...), err
			}
		},
		func(s *broken) { // refuses instead of queueing
			var mu sync.Mutex
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if !mu.TryLock() {
					return out, errors.New("busy")
				}
				defer mu.Unlock()
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"a context that has ended runs nothing": {
		func(s *broken) {
			s.run = func(_ context.Context, b providers.Batch, out []float32) ([]float32, error) {
				return s.Fake.Run(background, b, out)
			}
		},
	},
	"cancelling in mid-run ends the run and not the session": {
		func(s *broken) { // looks at the context only before
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if err := ctx.Err(); err != nil {
					return out, err
				}
				return s.Fake.Run(background, b, out)
			}
		},
		func(s *broken) { // looks only afterwards: late
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				got, err := s.Fake.Run(background, b, out)
				if ctx.Err() != nil {
					return out, ctx.Err()
				}
				return got, err
			}
		},
		func(s *broken) { // stays cancelled
			var stuck error
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if stuck != nil {
					return out, stuck
				}
				got, err := s.Fake.Run(ctx, b, out)
				if errors.Is(err, context.Canceled) {
					stuck = err
				}
				return got, err
			}
		},
	},
	"a queued run ends with its context": {
		func(s *broken) {
			var mu sync.Mutex
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				mu.Lock()
				defer mu.Unlock()
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"closing waits for the run in progress": {
		func(s *broken) { // tears it down under the run
			ctx, cancel := context.WithCancel(background)
			s.run = func(_ context.Context, b providers.Batch, out []float32) ([]float32, error) {
				return s.Fake.Run(ctx, b, out)
			}
			s.close = func() error { cancel(); return nil }
		},
	},
	"a second close does nothing": {
		func(s *broken) {
			var n atomic.Int32
			s.close = func() error {
				if n.Add(1) > 1 {
					return errors.New("double free")
				}
				return nil
			}
		},
	},
	"use after close is ErrClosed": {
		func(s *broken) { s.close = func() error { return nil } },
		func(s *broken) {
			closed := false
			s.close = func() error { closed = true; return nil }
			s.run = func(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
				if closed {
					return out, errors.New("nil pointer")
				}
				return s.Fake.Run(ctx, b, out)
			}
		},
	},
	"rounds of open, run, close leak nothing": {
		func(s *broken) { // a file a session
			f, err := os.Open(os.DevNull)
			if err == nil {
				leakedFiles = append(leakedFiles, f)
			}
		},
		func(s *broken) { // memory
			b := make([]byte, 4<<20)
			for i := 0; i < len(b); i += 512 {
				b[i] = 1
			}
			leakedBytes = append(leakedBytes, b)
		},
		func(s *broken) { // a goroutine a session
			go func() { <-leakedStop }()
		},
	},
}

var (
	leakedFiles []*os.File
	leakedBytes [][]byte
	leakedStop  = make(chan struct{})
)

func ones(n int) []int64 {
	m := make([]int64, n)
	for i := range m {
		m[i] = 1
	}
	return m
}
