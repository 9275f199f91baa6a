package child

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/measuretest"
)

func TestFewTextsAreRunAgainFewerTimesAndEnough(t *testing.T) {
	for n := 1; n <= 100; n++ {
		spread := min(n, SpreadTexts(n))
		assert.GreaterOrEqual(t, spread, min(16, n/2), "what the gate wants of %d texts", n)
		ids, all := make([][]int64, n), make([]int, n)
		for i := range ids {
			ids[i], all[i] = []int64{int64(i), 1, 2, 3}[:1+i%4], i
		}
		r := rerun{l: opened{tok: measuretest.SmallTok(t), session: &batches{}}, ids: ids}
		rows, vecs, err := r.concurrent(t.Context(), all)
		require.NoError(t, err)
		assert.Len(t, vecs, 3*len(rows))
		assert.Len(t, distinctOf(rows), spread, "%d texts", n)
		rows, _, err = r.position(t.Context(), all)
		require.NoError(t, err)
		assert.Len(t, rows, 2*spread)
		assert.Len(t, distinctOf(rows), spread)
	}
}

func TestAPositionIsAlwaysAnother(t *testing.T) {
	for n := 2; n <= 70; n++ {
		ids, all := make([][]int64, n), make([]int, n)
		for i := range ids {
			ids[i], all[i] = []int64{int64(i)}, i
		}
		seen := &batches{}
		r := rerun{l: opened{tok: measuretest.SmallTok(t), session: seen}, ids: ids}
		_, _, err := r.position(t.Context(), all)
		require.NoError(t, err)
		for k := 0; k < len(seen.ids); k += 2 {
			a, b := seen.ids[k], seen.ids[k+1]
			require.ElementsMatch(t, a, b)
			for p := range a {
				assert.NotEqual(t, a[p], b[p], "of %d texts", n)
			}
		}
	}
}

func distinctOf(rows []int) []int {
	rows = slices.Clone(rows)
	slices.Sort(rows)
	return slices.Compact(rows)
}

// batches is a session that keeps the ids it is given.
type batches struct {
	providers.Session
	mu  sync.Mutex
	ids [][]int64
}

func (s *batches) Dim() int       { return 3 }
func (s *batches) MaxTokens() int { return 512 }

func (s *batches) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, slices.Clone(b.IDs))
	for r := range b.Rows {
		for d := range s.Dim() {
			out = append(out, float32(b.IDs[r*b.Cols])+float32(d))
		}
	}
	return out, nil
}

func TestALimitBelowOneSampleLeavesOneSample(t *testing.T) {
	s := timeSpent{limit: 1}
	taken := 0
	for i := 0; i < 10 && !s.over(); i++ {
		s.add(1000)
		taken++
	}
	assert.Equal(t, 1, taken)
	s = timeSpent{}
	s.add(1 << 60)
	assert.False(t, s.over(), "no limit")
}
