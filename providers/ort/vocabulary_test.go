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
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

func TestTheVocabularyIsThatOfTheTableOfIDs(t *testing.T) {
	cast := lookup("last_hidden_state", tInt32)
	cast.nodes = []node{
		{op: "Cast", in: []string{"input_ids"}, out: []string{"wide"}, ints: map[string]int64{"to": tInt64}},
		{op: "Identity", in: []string{"words"}, out: []string{"table"}},
		{op: "Gather", in: []string{"table", "wide"}, out: []string{"last_hidden_state"}},
	}
	other := lookup("last_hidden_state", tInt64) // looks up the mask, and no id
	other.nodes[0].in = []string{"words", "attention_mask"}
	for name, c := range map[string]struct {
		g    graph
		want int64
	}{
		"looked up directly":          {lookup("last_hidden_state", tInt64), handVocab},
		"through casts":               {cast, handVocab},
		"a table of something else":   {other, 0},
		"beside a table of something": {pooledGraph(handDim), handVocab},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := vocabularyOf(c.g.write(t), "model.onnx")
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
	s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(candidate.PoolMean, false)))
	s.vocabulary = 5
	_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{5}, Mask: []int64{1}}, nil)
	assert.ErrorContains(t, err, "ids below 5")
	_, err = s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{4}, Mask: []int64{1}}, nil)
	assert.NoError(t, err)
}

func TestARunThatCannotBeStoppedIsLeftToItself(t *testing.T) {
	s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(candidate.PoolMean, false)))
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
