package ort

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// ragged is rows of different lengths, each id distinct, padded on the right.
func ragged(rows, cols int) providers.Batch {
	b := providers.Batch{Rows: rows, Cols: cols, IDs: make([]int64, rows*cols), Mask: make([]int64, rows*cols)}
	for r := range rows {
		for c := range 1 + (r+cols-1)%cols {
			b.IDs[r*cols+c], b.Mask[r*cols+c] = int64(1+(r*5+c)%(modeltest.Vocab-1)), 1
		}
	}
	return b
}

func TestAFixedShapeGivesWhatTheDynamicOneDoes(t *testing.T) {
	for _, pooling := range []candidate.Pooling{candidate.PoolMean, candidate.PoolMax, candidate.PoolCLS} {
		e := modeltest.Embedding(pooling, true)
		free := mustOpen(t, config(t, modeltest.Lookup().Write(t), e))
		for _, shape := range [][2]int{{1, 16}, {4, 16}, {3, 0}, {0, 16}} {
			t.Run(fmt.Sprint(pooling, " ", shape), func(t *testing.T) {
				s := mustOpen(t, config(t, modeltest.Fixed(modeltest.Lookup(), shape[0], shape[1]).Write(t), e))
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
		e := modeltest.Embedding(candidate.PoolMean, false)
		e.MaxTokens = max
		return mustOpen(t, config(t, modeltest.Fixed(modeltest.Lookup(), 1, cols).Write(t), e))
	}
	assert.Equal(t, 16, open(16, 32).MaxTokens())
	assert.Equal(t, 8, open(16, 8).MaxTokens(), "the model's own maximum holds")
	_, err := open(16, 32).Run(background, ragged(1, 17), nil)
	assert.ErrorContains(t, err, "at most 16")
}

func TestAFixedShapeWhoseDimensionIsHiddenIsFoundOnOpening(t *testing.T) {
	g := modeltest.Fixed(modeltest.Lookup(), 1, 1)
	g.Outputs[0].Shape = []string{"a", "b", "c"}
	mustOpen(t, config(t, g.Write(t), modeltest.Embedding(candidate.PoolMean, false)))
}

func TestABatchOfAFixedShapeIsCancelledBetweenItsGroups(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Fixed(modeltest.Lookup(), 1, 16).Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	ctx, cancel := context.WithCancel(background)
	cancel()
	<-s.lock
	out, err := s.runPadded(ctx, ragged(3, 4), []float32{1})
	s.lock <- struct{}{}
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []float32{1}, out)
}

func TestAFixedShapeIsRecordedByExecutions(t *testing.T) {
	c := config(t, modeltest.Fixed(modeltest.Lookup(), 1, 16).Write(t), modeltest.Embedding(candidate.PoolMean, false))
	all, err := record(background, c, []providers.Batch{ragged(3, 4), ragged(1, 4)}, 2)
	require.NoError(t, err)
	require.Len(t, all[0].Events, 1)
	assert.Equal(t, 6, all[0].Events[0].Runs, "three rows, twice")
	assert.Equal(t, [][]int64{{1, 16, modeltest.Dim}}, all[0].Events[0].Outputs)
	assert.Equal(t, 2, all[1].Events[0].Runs)
}
