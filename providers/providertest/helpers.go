package providertest

import (
	"context"
	"math"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

// single is one row of n real tokens; seed varies the ids.
func single(f Facts, n int, seed int64) providers.Batch { return rows(f, 1, n, seed) }

// rows is full rows of n tokens, each row different.
func rows(f Facts, count, n int, seed int64) providers.Batch {
	b := providers.Batch{Rows: count, Cols: n, IDs: make([]int64, count*n), Mask: make([]int64, count*n)}
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range b.IDs {
		x = x*6364136223846793005 + 1442695040888963407
		b.IDs[i], b.Mask[i] = int64((x>>33)%uint64(f.Vocab)), 1
	}
	return b
}

// join stacks single rows of different lengths, padded to the longest.
func join(singles ...providers.Batch) providers.Batch {
	b := providers.Batch{Rows: len(singles)}
	for _, s := range singles {
		b.Cols = max(b.Cols, s.Cols)
	}
	for _, s := range singles {
		b.IDs, b.Mask = append(b.IDs, s.IDs...), append(b.Mask, s.Mask...)
		for range b.Cols - s.Cols {
			b.IDs, b.Mask = append(b.IDs, 0), append(b.Mask, 0)
		}
	}
	return b
}

func run(t T, s providers.Session, b providers.Batch) []float32 {
	t.Helper()
	out, err := s.Run(context.Background(), b, nil)
	require.NoError(t, err)
	return out
}

// mustClose closes s at the end of a rule that does not test closing.
func mustClose(t T, s providers.Session) {
	t.Helper()
	require.NoError(t, s.Close())
}

// near asserts that two vectors agree to f.Tolerance in every component.
func near(t T, f Facts, want, got []float32, what string) {
	t.Helper()
	if !assert.Len(t, got, len(want), what) {
		return
	}
	worst := 0.0
	for i := range want {
		d := math.Abs(float64(want[i]) - float64(got[i]))
		if !(d <= worst) { // so that NaN counts as the worst
			worst = d
		}
	}
	if !(worst <= f.Tolerance) {
		assert.Fail(t, what, "vectors differ by %g, tolerance is %g", worst, f.Tolerance)
	}
}

// stillWorks asserts that s still gives the vector it gave before.
func stillWorks(t T, f Facts, s providers.Session, b providers.Batch, want []float32) {
	t.Helper()
	near(t, f, want, run(t, s, b), "the session stays usable")
}
