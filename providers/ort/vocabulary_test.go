package ort

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestTheVocabularyIsThatOfTheTableOfIDs(t *testing.T) {
	cast := modeltest.LookupOf("last_hidden_state", modeltest.Int32)
	cast.Nodes = []onnxedit.Node{
		{Op: "Cast", In: []string{"input_ids"}, Out: []string{"wide"}, Attributes: []onnxedit.Attribute{onnxedit.Int("to", modeltest.Int64)}},
		{Op: "Identity", In: []string{"words"}, Out: []string{"table"}},
		{Op: "Gather", In: []string{"table", "wide"}, Out: []string{"last_hidden_state"}},
	}
	other := modeltest.Lookup() // looks up the mask, and no id
	other.Nodes[0].In = []string{"words", "attention_mask"}
	for name, c := range map[string]struct {
		g    modeltest.Graph
		want int64
	}{
		"looked up directly":          {modeltest.Lookup(), modeltest.Vocab},
		"through casts":               {cast, modeltest.Vocab},
		"a table of something else":   {other, 0},
		"beside a table of something": {modeltest.Pooled(), modeltest.Vocab},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := vocabularyOf(c.g.Write(t), "model.onnx")
			assert.Equal(t, c.want, n)
			if c.want == 0 {
				require.ErrorContains(t, err, "no table")
				assert.Equal(t, fault.Usage, fault.KindOf(err))
			}
		})
	}
	path := filepath.Join(t.TempDir(), "x.onnx")
	require.NoError(t, os.WriteFile(path, []byte("no model"), 0o600))
	_, err := vocabularyOf(path, "x.onnx")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestAnIDBeyondTheVocabularyIsRefusedWhereTheRuntimeWouldNot(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false)))
	s.vocabulary = 5
	_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{5}, Mask: []int64{1}}, nil)
	assert.ErrorContains(t, err, "ids below 5")
	_, err = s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{4}, Mask: []int64{1}}, nil)
	assert.NoError(t, err)
}

func TestARunThatCannotBeStoppedIsLeftToItself(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, false)))
	hold := make(chan struct{})
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(5*time.Millisecond, cancel)
	<-s.turn
	stopped, rest, err := s.stopper.leave(ctx, func() error { <-hold; return nil })
	assert.True(t, stopped)
	assert.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, rest)
	s.rest = rest
	s.pass()

	short, stop := context.WithTimeout(background, 20*time.Millisecond)
	defer stop()
	_, err = s.Run(short, padded, nil)
	assert.ErrorIs(t, err, context.DeadlineExceeded, "a later run queues behind it")
	close(hold)
	_, err = s.Run(background, padded, nil)
	assert.NoError(t, err, "and is not stopped by what stopped it")

	stopped, rest, err = s.stopper.leave(background, func() error { return errors.New("broken") })
	assert.False(t, stopped)
	assert.Nil(t, rest)
	assert.ErrorContains(t, err, "broken")
}
