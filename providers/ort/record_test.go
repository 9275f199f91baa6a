package ort

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestARecordSaysWhereEachNodeRanAndForHowLong(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := config(t, modeltest.Pooled().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	batches := []providers.Batch{padded, {Rows: 1, Cols: 7, IDs: make([]int64, 7), Mask: make([]int64, 7)}}
	all, err := record(background, c, batches, 3)
	require.NoError(t, err)
	require.Len(t, all, len(batches))
	for i, p := range all {
		var ops []string
		for _, s := range p.Assigned {
			assert.Equal(t, "CPUExecutionProvider", s.EP)
			for _, n := range s.Nodes {
				ops = append(ops, n.Op)
			}
		}
		assert.ElementsMatch(t, []string{"Gather", "ReduceMean"}, ops)
		require.Len(t, p.Events, 2)
		rows, cols := int64(batches[i].Rows), int64(batches[i].Cols)
		gather := p.Events[0]
		assert.Equal(t, "Gather", gather.Op)
		assert.Equal(t, "CPUExecutionProvider", gather.EP)
		assert.Equal(t, [][]int64{{modeltest.Vocab, modeltest.Dim}, {rows, cols}}, gather.Inputs)
		assert.Equal(t, [][]int64{{rows, cols, modeltest.Dim}}, gather.Outputs)
		assert.Equal(t, 3, gather.Runs, "the warm-up is not counted")
		assert.GreaterOrEqual(t, gather.NS, int64(0))
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left, "the profile is removed")
}

func TestARecordOfNoRunsStillSaysWhatWasAssigned(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	all, err := record(background, c, []providers.Batch{padded}, 0)
	require.NoError(t, err)
	assert.Len(t, all[0].Assigned, 1)
	assert.Empty(t, all[0].Events)
}

func TestARecorderThatFailsLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	bad := padded
	bad.IDs = []int64{3, 5, 2, 7, 0, modeltest.Vocab}
	_, err := record(background, c, []providers.Batch{bad}, 1)
	require.Error(t, err)
	c.Model = filepath.Join(t.TempDir(), "none.onnx")
	_, err = record(background, c, nil, 1)
	require.ErrorContains(t, err, "no such file")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left)
	c = config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	c.Options.Threads = 2
	assert.True(t, *mustOpen(t, c).Info().Options.Spinning, "no session stays open: a session spins by itself only where it is alone")
}

func TestARecorderIsFinishedOnce(t *testing.T) {
	r, err := OpenRecorded(background, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	require.NoError(t, err)
	assert.Equal(t, "cpu", r.Info().Provider)
	require.NoError(t, r.Run(background, padded, 1))
	_, err = r.Finish()
	require.NoError(t, err)
	_, err = r.Finish()
	assert.ErrorIs(t, err, providers.ErrClosed)
	assert.ErrorIs(t, r.Run(background, padded, 1), providers.ErrClosed)
	assert.NoError(t, r.Close())
}

// record opens a recorded session, runs each batch as Recorder.Run does, and
// returns one record a batch.
func record(ctx context.Context, c Config, batches []providers.Batch, runs int) (_ []providers.Placement, err error) {
	r, err := OpenRecorded(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, b := range batches {
		if err := r.Run(ctx, b, runs); err != nil {
			return nil, err
		}
	}
	return r.Finish()
}
