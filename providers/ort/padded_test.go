package ort

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/providertest"
)

// fixed is a graph with its batch and sequence fixed; 0 leaves one dynamic.
func fixed(g graph, rows, cols int) graph {
	set := func(dims []any) {
		if rows > 0 {
			dims[0] = rows
		}
		if cols > 0 && len(dims) > 1 && dims[1] == "sequence" {
			dims[1] = cols
		}
	}
	for i := range g.in {
		set(g.in[i].dims)
	}
	for i := range g.out {
		set(g.out[i].dims)
	}
	return g
}

// ragged is rows of different lengths, each id distinct, padded on the right.
func ragged(rows, cols int) providers.Batch {
	b := providers.Batch{Rows: rows, Cols: cols, IDs: make([]int64, rows*cols), Mask: make([]int64, rows*cols)}
	for r := range rows {
		for c := range 1 + (r+cols-1)%cols {
			b.IDs[r*cols+c], b.Mask[r*cols+c] = int64(1+(r*5+c)%(handVocab-1)), 1
		}
	}
	return b
}

func TestAFixedShapeGivesWhatTheDynamicOneDoes(t *testing.T) {
	for _, pooling := range []candidate.Pooling{candidate.PoolMean, candidate.PoolMax, candidate.PoolCLS} {
		e := handEmbedding(pooling, true)
		free := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), e))
		for _, shape := range [][2]int{{1, 16}, {4, 16}, {3, 0}, {0, 16}} {
			t.Run(fmt.Sprint(pooling, " ", shape), func(t *testing.T) {
				s := mustOpen(t, config(t, fixed(lookup("last_hidden_state", tInt64), shape[0], shape[1]).write(t), e))
				for _, rows := range []int{1, 2, 3, 4, 5, 9} {
					for _, cols := range []int{1, 2, 15, 16} {
						b := ragged(rows, cols)
						want, err := free.Run(background, b, nil)
						require.NoError(t, err)
						got, err := s.Run(background, b, []float32{7})
						require.NoError(t, err)
						require.Equal(t, want, got[1:], "%d × %d", rows, cols)
					}
				}
			})
		}
	}
}

func TestAFixedSequenceBoundsTheTokens(t *testing.T) {
	open := func(cols, max int) *Session {
		e := handEmbedding(candidate.PoolMean, false)
		e.MaxTokens = max
		return mustOpen(t, config(t, fixed(lookup("last_hidden_state", tInt64), 1, cols).write(t), e))
	}
	assert.Equal(t, 16, open(16, 32).MaxTokens())
	assert.Equal(t, 8, open(16, 8).MaxTokens(), "the model's own maximum holds")
	_, err := open(16, 32).Run(background, ragged(1, 17), nil)
	assert.ErrorContains(t, err, "at most 16")
}

func TestAFixedShapeWhoseDimensionIsHiddenIsFoundOnOpening(t *testing.T) {
	g := fixed(lookup("last_hidden_state", tInt64), 1, 1)
	g.out[0].dims = []any{"a", "b", "c"}
	mustOpen(t, config(t, g.write(t), handEmbedding(candidate.PoolMean, false)))
}

func TestABatchOfAFixedShapeIsCancelledBetweenItsGroups(t *testing.T) {
	s := mustOpen(t, config(t, fixed(lookup("last_hidden_state", tInt64), 1, 16).write(t), handEmbedding(candidate.PoolMean, false)))
	ctx, cancel := context.WithCancel(background)
	cancel()
	<-s.turn
	out, err := s.padded(ctx, ragged(3, 4), []float32{1})
	s.turn <- struct{}{}
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []float32{1}, out)
}

func TestAFixedShapeIsRecordedByExecutions(t *testing.T) {
	c := config(t, fixed(lookup("last_hidden_state", tInt64), 1, 16).write(t), handEmbedding(candidate.PoolMean, false))
	all, err := Record(background, c, []providers.Batch{ragged(3, 4), ragged(1, 4)}, 2)
	require.NoError(t, err)
	require.Len(t, all[0].Events, 1)
	assert.Equal(t, 6, all[0].Events[0].Runs, "three rows, twice")
	assert.Equal(t, [][]int64{{1, 16, handDim}}, all[0].Events[0].Outputs)
	assert.Equal(t, 2, all[1].Events[0].Runs)
}

func TestAFixedShapeConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("opens hundreds of sessions: run without -short")
	}
	for _, c := range []struct{ rows, cols, slow int }{{1, 16, 128}, {8, 32, 1024}} { // 128 executions of either
		t.Run(fmt.Sprint(c.rows, " × ", c.cols), func(t *testing.T) {
			conformsTo(t, config(t, fixed(long(), c.rows, c.cols).write(t), handEmbedding(candidate.PoolMean, true)),
				providertest.Facts{MaxTokens: c.cols, Vocab: handVocab, Tolerance: 1e-6, SlowRows: c.slow, Rounds: rounds()})
		})
	}
}
