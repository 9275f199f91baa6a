package providertest

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"slices"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func loads(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	i := s.Info()
	assert.Equal(t, f.Provider, i.Provider)
	assert.NotEmpty(t, i.Runtime, "evidence names the runtime")
	assert.NotEmpty(t, i.RuntimeVersion, "evidence names the runtime's version")
	assert.NotEmpty(t, i.Library)
	assert.NotContains(t, i.Library, "/", "the library's base name: no machine path in evidence")
	assert.Regexp(t, hexDigest, i.LibrarySHA256)
	assert.Positive(t, i.Options.Threads, "options as used, defaults filled in")
	assert.NotNil(t, i.Options.Spinning, "options as used, defaults filled in")
	assert.NotNil(t, i.Options.DisabledOptimizers, "options as used, defaults filled in")
	assert.NotEmpty(t, i.Available, "evidence lists what the library offers")
	assert.NotEmpty(t, i.Device.Name, "evidence names what was computed on")
	raw, err := json.Marshal(i)
	require.NoError(t, err, "evidence can be written")
	var back providers.Info
	require.NoError(t, json.Unmarshal(raw, &back))
	assert.Equal(t, i, back, "nothing of it is lost in a file")
}

func sizes(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	assert.Equal(t, f.Dim, s.Dim())
	assert.Equal(t, f.MaxTokens, s.MaxTokens())
	for _, n := range []int{1, 2, 3, 7} {
		assert.Len(t, run(t, s, rows(f, n, 3, 1)), n*f.Dim, "%d rows", n)
	}
}

func repeats(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	b := single(f, min(9, f.MaxTokens), 1)
	first := run(t, s, b)
	run(t, s, single(f, min(5, f.MaxTokens), 2)) // another shape and other ids between
	near(t, f, first, run(t, s, b), "the second time")
}

func appends(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	b := single(f, 4, 1)
	want := run(t, s, b)
	got, err := s.Run(context.Background(), b, []float32{7, 8})
	require.NoError(t, err)
	require.Len(t, got, 2+f.Dim)
	assert.Equal(t, []float32{7, 8}, got[:2], "what was there stays")
	near(t, f, want, got[2:], "the appended part")
	got, err = s.Run(context.Background(), b, got)
	require.NoError(t, err)
	assert.Len(t, got, 2+2*f.Dim)
	kept := slices.Clone(got)
	run(t, s, single(f, 4, 2))
	assert.Equal(t, kept, got, "a result is the caller's: later runs do not change it")
}

func finite(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	out := run(t, s, rows(f, 4, min(12, f.MaxTokens), 3))
	for r := range 4 {
		sum := 0.0
		for _, x := range out[r*f.Dim : (r+1)*f.Dim] {
			require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0), "NaN or Inf in row %d", r)
			sum += float64(x) * float64(x)
		}
		require.Positive(t, sum, "row %d is not all zero", r)
		if f.Normalize {
			require.InDelta(t, 1, math.Sqrt(sum), 1e-5, "norm of row %d", r)
		}
	}
}

func differs(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	b := rows(f, 2, min(6, f.MaxTokens), 4)
	out := run(t, s, b)
	assert.NotEqual(t, out[:f.Dim], out[f.Dim:], "two rows")
	masked := join(single(f, 3, 5), single(f, 4, 6))
	opened := masked
	opened.Mask = slices.Clone(masked.Mask)
	for i := range opened.Mask {
		opened.Mask[i] = 1
	}
	assert.NotEqual(t, run(t, s, masked)[:f.Dim], run(t, s, opened)[:f.Dim], "the mask counts")
}

func emptyBatch(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	for _, b := range []providers.Batch{{}, {Cols: 8}, {IDs: []int64{}, Mask: []int64{}}} {
		out, err := s.Run(context.Background(), b, []float32{1})
		require.NoError(t, err)
		assert.Equal(t, []float32{1}, out)
	}
}

func oneToken(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	assert.Len(t, run(t, s, single(f, 1, 1)), f.Dim)
}

func maxTokens(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	assert.Len(t, run(t, s, single(f, f.MaxTokens, 1)), f.Dim)
}

// refuses asserts that each batch is an error and leaves the session usable.
func refuses(t T, open Open, f Facts, bad map[string]providers.Batch) {
	t.Helper()
	s := open(t)
	defer mustClose(t, s)
	good := single(f, 4, 1)
	want := run(t, s, good)
	for name, b := range bad {
		out, err := s.Run(context.Background(), b, []float32{1})
		assert.Error(t, err, name)
		assert.NotErrorIs(t, err, providers.ErrClosed, name)
		assert.LessOrEqual(t, len(out), 1, "%s: nothing is appended", name)
		stillWorks(t, f, s, good, want)
	}
}

func beyondMax(t T, open Open, f Facts) {
	refuses(t, open, f, map[string]providers.Batch{
		"one more":  single(f, f.MaxTokens+1, 1),
		"two rows":  rows(f, 2, f.MaxTokens+1, 1),
		"very many": single(f, 4*f.MaxTokens, 1),
	})
}

func wrongSlices(t T, open Open, f Facts) {
	ok := rows(f, 2, 4, 1)
	change := func(by func(*providers.Batch)) providers.Batch {
		b := ok
		by(&b)
		return b
	}
	huge := math.MaxInt/2 + 1 // times 4 overflows to 0
	refuses(t, open, f, map[string]providers.Batch{
		"ids too short":        change(func(b *providers.Batch) { b.IDs = b.IDs[:7] }),
		"mask too short":       change(func(b *providers.Batch) { b.Mask = b.Mask[:7] }),
		"both too short":       change(func(b *providers.Batch) { b.IDs, b.Mask = b.IDs[:4], b.Mask[:4] }),
		"both too long":        change(func(b *providers.Batch) { b.Rows = 1 }),
		"no mask":              change(func(b *providers.Batch) { b.Mask = nil }),
		"nothing at all":       change(func(b *providers.Batch) { b.IDs, b.Mask = nil, nil }),
		"negative rows":        change(func(b *providers.Batch) { b.Rows = -2 }),
		"negative both":        change(func(b *providers.Batch) { b.Rows, b.Cols = -2, -4 }),
		"rows without columns": {Rows: 2},
		"a product that wraps": {Rows: huge, Cols: 4},
	})
}

func outOfRange(t T, open Open, f Facts) {
	with := func(at int, id int64) providers.Batch {
		b := rows(f, 2, 4, 1)
		b.IDs[at] = id
		return b
	}
	refuses(t, open, f, map[string]providers.Batch{
		"the vocabulary's size":    with(0, f.Vocab),
		"far over":                 with(7, math.MaxInt32),
		"the largest":              with(3, math.MaxInt64),
		"minus one":                with(5, -1),
		"minus the size":           with(1, -f.Vocab),
		"the smallest":             with(2, math.MinInt64),
		"a multiple of 2³² beyond": with(6, 1<<32),
	})
}

func keepsSlices(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	b := join(single(f, 3, 1), single(f, 5, 2))
	ids, mask := slices.Clone(b.IDs), slices.Clone(b.Mask)
	want := run(t, s, b)
	assert.Equal(t, ids, b.IDs, "ids are not written to")
	assert.Equal(t, mask, b.Mask, "the mask is not written to")
	other := join(single(f, 3, 1), single(f, 5, 2))
	for i := range b.IDs {
		b.IDs[i], b.Mask[i] = 0, 0
	}
	near(t, f, want, run(t, s, other), "old slices are not read again")
}

func invariant(t T, open Open, f Facts) {
	s := open(t)
	defer mustClose(t, s)
	long := min(24, f.MaxTokens)
	texts := []providers.Batch{single(f, min(2, long), 1), single(f, min(9, long), 2), single(f, long, 3), single(f, 1, 4)}
	var alone [][]float32
	for _, b := range texts {
		alone = append(alone, run(t, s, b))
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2}, {1, 1, 2}, {3, 0}} {
		var picked []providers.Batch
		for _, i := range order {
			picked = append(picked, texts[i])
		}
		out := run(t, s, join(picked...))
		require.Len(t, out, len(order)*f.Dim)
		for at, i := range order {
			near(t, f, alone[i], out[at*f.Dim:(at+1)*f.Dim], "a text among others")
		}
	}
}
