package providertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

func concurrent(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	var batches []providers.Batch
	var want [][]float32
	for i := range 6 {
		b := rows(f, 1+i%3, min(3+4*i, f.MaxTokens), int64(i))
		batches, want = append(batches, b), append(want, run(t, s, b))
	}
	var wg sync.WaitGroup
	got := make([][]float32, 8*len(batches))
	errs := make([]error, len(got))
	for i := range got {
		wg.Go(func() { got[i], errs[i] = s.Run(context.Background(), batches[i%len(batches)], nil) })
	}
	wg.Wait()
	for i := range got {
		require.NoError(t, errs[i])
		near(t, f, want[i%len(want)], got[i], "in parallel")
	}
}

func cancelledBefore(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	b := single(f, 4, 1)
	want := run(t, s, b)
	for _, ctx := range []context.Context{cancelled(), expired()} {
		out, err := s.Run(ctx, b, []float32{1})
		assert.ErrorIs(t, err, ctx.Err())
		assert.Equal(t, []float32{1}, out, "nothing is appended")
	}
	stillWorks(t, f, s, b, want)
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func expired() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	cancel()
	return ctx
}

// attempts is how often a rule about timing tries before it says that a thing
// never happens: on a busy machine the moment can be missed.
const attempts = 40

// slow is a batch that runs for a while, and for how long it does undisturbed.
func slow(t T, f Facts, s providers.Session) (providers.Batch, time.Duration) {
	t.Helper()
	b := rows(f, f.SlowRows, f.MaxTokens, 9)
	run(t, s, b)
	return b, least(t, s, b)
}

// least is the shortest of some undisturbed runs.
func least(t T, s providers.Session, b providers.Batch) time.Duration {
	t.Helper()
	d := time.Duration(1<<63 - 1)
	for range 3 {
		start := time.Now()
		run(t, s, b)
		d = min(d, time.Since(start))
	}
	return d
}

func cancelledMidRun(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	small := single(f, 4, 1)
	want := run(t, s, small)
	big, whole := slow(t, f, s)
	soon := false
	for range attempts {
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(whole/8, cancel)
		start := time.Now()
		out, err := s.Run(ctx, big, []float32{1})
		took := time.Since(start)
		timer.Stop()
		cancel()
		stillWorks(t, f, s, small, want)
		if err == nil {
			require.Len(t, out, 1+f.SlowRows*f.Dim)
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []float32{1}, out, "nothing is appended")
		if took >= whole/2 {
			continue
		}
		// Measured again: what looks early may only be a machine that was
		// slower when the undisturbed runs were timed.
		if whole = min(whole, least(t, s, big)); took < whole/2 {
			soon = true
			break
		}
	}
	assert.True(t, soon, "a run of %v that is cancelled after %v ends early", whole, whole/8)
}

func cancelledQueued(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	big, whole := slow(t, f, s)
	soon, tries := 0, 5
	const ahead = 6
	for range tries {
		var wg sync.WaitGroup
		var done atomic.Int32
		for range ahead {
			wg.Go(func() {
				_, _ = s.Run(context.Background(), big, nil)
				done.Add(1)
			})
		}
		time.Sleep(whole / 4) // so that they are ahead
		ctx, cancel := context.WithTimeout(context.Background(), whole/8)
		_, err := s.Run(ctx, big, nil)
		waited := done.Load()
		cancel()
		wg.Wait()
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		// Counted in runs and not in time: a busy machine slows them alike.
		if err != nil && waited <= ahead/2 {
			soon++
		}
	}
	// Most and not all: a busy machine may wake this goroutine late.
	assert.Greater(t, 2*soon, tries, "runs that wait behind runs of %v end when their context does, after %v", whole, whole/8)
}

func closeWaits(t T, open Open, f Facts) {
	for range 3 {
		s := open(t)
		big, whole := slow(t, f, s)
		want := run(t, s, big)
		got := make([][]float32, 3)
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i], errs[i] = s.Run(context.Background(), big, nil) })
		}
		time.Sleep(whole / 4) // so that one of them is running
		require.NoError(t, s.Close())
		wg.Wait()
		done := 0
		for i := range got {
			if errs[i] == nil {
				done++
				near(t, f, want, got[i], "a run that was let finish")
			} else if !errors.Is(errs[i], providers.ErrClosed) {
				assert.NoError(t, errs[i], "a run beside Close is whole or ErrClosed")
			}
		}
		if done > 0 {
			return
		}
	}
	assert.Fail(t, "no run in progress survived Close in 3 attempts")
}

func closeTwice(t T, open Open, f Facts) {
	s := open(t)
	run(t, s, single(f, 4, 1))
	require.NoError(t, s.Close())
	assert.NoError(t, s.Close(), "the second")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, s.Close(), "several at once") })
	}
	wg.Wait()
	fresh := open(t)
	require.NoError(t, fresh.Close(), "a session that never ran")
}

func useAfterClose(t T, open Open, f Facts) {
	s := open(t)
	before := s.Info()
	require.NoError(t, s.Close())
	for _, b := range []providers.Batch{single(f, 4, 1), {}} {
		out, err := s.Run(context.Background(), b, []float32{1})
		assert.ErrorIs(t, err, providers.ErrClosed)
		assert.Equal(t, []float32{1}, out)
	}
	assert.Equal(t, f.Dim, s.Dim())
	assert.Equal(t, f.MaxTokens, s.MaxTokens())
	assert.Equal(t, before, s.Info(), "what was opened is still known")
}
