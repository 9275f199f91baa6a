package providers_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/providertest"
)

// bytesTokenizer gives each byte as an id, between 1 and 2.
type bytesTokenizer struct{}

func (bytesTokenizer) Append(ids []int64, text string, limit int) []int64 {
	ids = append(ids, 1)
	for i := range min(len(text), limit-2) {
		ids = append(ids, int64(text[i]))
	}
	return append(ids, 2)
}

func (bytesTokenizer) PadID() int64 { return 0 }

// recording keeps the batches that it was asked to run.
type recording struct {
	providertest.Fake
	batches []providers.Batch
	fail    error
}

func (r *recording) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	r.batches = append(r.batches, b)
	if r.fail != nil && len(r.batches) == 2 {
		return out, r.fail
	}
	return r.Fake.Run(ctx, b, out)
}

func newRecording() *recording {
	return &recording{Fake: providertest.Fake{Facts: providertest.Facts{Dim: 4, MaxTokens: 64, Vocab: 256}}}
}

func corpus(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, n)
	for i := range texts {
		texts[i] = strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(90))
	}
	return texts
}

func TestEmbedGivesEachTextItsOwnVectorInOrder(t *testing.T) {
	texts := corpus(203)
	for _, batch := range []int{0, 1, 2, 7, 32, 1000} {
		s := newRecording()
		e := providers.NewEmbedder(bytesTokenizer{}, s)
		got, st, err := e.EmbedStats(context.Background(), texts, batch)
		require.NoError(t, err)
		require.Len(t, got, 4*len(texts))
		limit := batch
		if batch == 0 {
			limit = providers.DefaultBatch
		}
		for _, b := range s.batches {
			assert.LessOrEqual(t, b.Rows, limit)
			assert.LessOrEqual(t, b.Cols, 64)
		}
		assert.Equal(t, len(texts), st.Texts)
		assert.Equal(t, len(s.batches), st.Batches)
		for i, text := range texts {
			one, err := e.EmbedOne(context.Background(), text, nil)
			require.NoError(t, err)
			require.Equal(t, one, got[4*i:4*i+4], "text %d in batches of %d", i, batch)
		}
	}
}

func TestEmbedOfNothingRunsNothing(t *testing.T) {
	s := newRecording()
	got, err := providers.NewEmbedder(bytesTokenizer{}, s).Embed(context.Background(), nil, 32)
	require.NoError(t, err)
	assert.Empty(t, got)
	assert.Empty(t, s.batches)
}

func TestEmbedOneIsAloneUnpaddedAndAppends(t *testing.T) {
	s := newRecording()
	e := providers.NewEmbedder(bytesTokenizer{}, s)
	out, err := e.EmbedOne(context.Background(), "abc", []float32{9})
	require.NoError(t, err)
	assert.Len(t, out, 5)
	assert.Equal(t, float32(9), out[0])
	require.Len(t, s.batches, 1)
	assert.Equal(t, 1, s.batches[0].Rows)
	assert.Equal(t, 5, s.batches[0].Cols)
	assert.Equal(t, []int64{1, 1, 1, 1, 1}, s.batches[0].Mask)
	_, err = e.EmbedOne(context.Background(), strings.Repeat("x", 1000), nil)
	require.NoError(t, err)
	assert.Equal(t, 64, s.batches[1].Cols, "the session's maximum is the tokenizer's limit")
}

func TestEmbedOneAllocatesNothingOfItsOwn(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget on purpose")
	}
	e := providers.NewEmbedder(bytesTokenizer{}, still{})
	out := make([]float32, 0, 4)
	n := testing.AllocsPerRun(100, func() { out, _ = e.EmbedOne(context.Background(), "hello", out[:0]) })
	assert.LessOrEqual(t, n, 0.5, "a garbage collection may empty the pool now and then")
}

// still is a session that does nothing, for counting.
type still struct{ providers.Session }

func (still) MaxTokens() int { return 64 }
func (still) Run(_ context.Context, _ providers.Batch, out []float32) ([]float32, error) {
	return append(out, 1, 2, 3, 4), nil
}

func TestAFailureGivesNoHalfResult(t *testing.T) {
	s := newRecording()
	s.fail = errors.New("the device is gone")
	got, err := providers.NewEmbedder(bytesTokenizer{}, s).Embed(context.Background(), corpus(100), 8)
	assert.ErrorIs(t, err, s.fail)
	assert.Nil(t, got)
}
