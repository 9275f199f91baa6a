package cputest

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
	"github.com/embedgate/embedgate/providers/tokenize"
)

// real is the default model: its candidate, tokenizer and golden set.
type real struct {
	candidate candidate.Candidate
	tokenizer *tokenize.Tokenizer
	golden    golden.Set
	texts     []string
}

func openReal(t testing.TB) real {
	t.Helper()
	if testing.Short() {
		t.Skip("exports a model")
	}
	r := real{candidate: exporttest.Candidate(t)}
	raw, err := os.ReadFile(filepath.Join(r.candidate.Dir, "tokenizer.json"))
	require.NoError(t, err)
	r.tokenizer, err = tokenize.Load(raw)
	require.NoError(t, err)
	set, ok, err := golden.Builtin(exporttest.Model)
	require.NoError(t, err)
	require.True(t, ok, "the default model has a golden set")
	r.golden = set
	for _, text := range set.Texts {
		r.texts = append(r.texts, string(text.Bytes))
	}
	return r
}

func (r real) config(t testing.TB) ort.Config {
	return config(t, variant(r.candidate), r.candidate.Manifest.Embedding)
}

func furthest(want []float64, got []float32) float64 {
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(want[i]-float64(got[i])))
	}
	return worst
}

func TestTextsBecomeTheGoldenVectors(t *testing.T) {
	r := openReal(t)
	e := providers.NewEmbedder(r.tokenizer, mustOpen(t, r.config(t)))
	alone := make([][]float32, len(r.texts))
	worst := 0.0
	for i, text := range r.texts {
		var err error
		alone[i], err = e.EmbedOne(background, text, nil)
		require.NoError(t, err)
		require.Len(t, alone[i], r.golden.Dim)
		d := furthest(r.golden.Embedding(i), alone[i])
		assert.LessOrEqual(t, d, 2e-6, "text %s", r.golden.Texts[i].ID)
		worst = max(worst, d)
	}
	t.Logf("alone: at most %.3g from float64", worst)

	together, st, err := e.EmbedStats(background, r.texts, 32)
	require.NoError(t, err)
	worst = 0
	dim := r.golden.Dim
	for i := range r.texts {
		d := furthest(modeltest.Float64s(alone[i]), together[i*dim:(i+1)*dim])
		assert.LessOrEqual(t, d, 1e-6, "text %s", r.golden.Texts[i].ID)
		worst = max(worst, d)
	}
	t.Logf("in batches: at most %.3g from alone; %+v, useful ÷ computed %.4f", worst, st, usefulShare(st))
	assert.GreaterOrEqual(t, usefulShare(st), 0.97)
}

func TestTheRealModelIsCancelledAndGoesOn(t *testing.T) {
	r := openReal(t)
	e := providers.NewEmbedder(r.tokenizer, mustOpen(t, r.config(t)))
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := e.Embed(ctx, r.texts, 32)
	require.ErrorIs(t, err, context.Canceled)
	_, err = e.EmbedOne(background, "hello world", nil)
	require.NoError(t, err)
}

func TestAPlainExportGivesTheSameAndRefusesTheSame(t *testing.T) {
	r := openReal(t)
	plain := exporttest.PlainCandidate(t)
	s := mustOpen(t, config(t, variant(plain), plain.Manifest.Embedding))
	e := providers.NewEmbedder(r.tokenizer, s)
	for i := 0; i < len(r.texts); i += 17 {
		got, err := e.EmbedOne(background, r.texts[i], nil)
		require.NoError(t, err)
		assert.LessOrEqual(t, furthest(r.golden.Embedding(i), got), 2e-6, "text %s", r.golden.Texts[i].ID)
	}
	// Its graph is optimised to other operators, whose own checks these are.
	size := vocabulary(t, r.candidate)
	for _, id := range []int64{size, -1, -size, math.MaxInt32, math.MaxInt64, math.MinInt64} {
		_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 3, IDs: []int64{101, id, 102}, Mask: []int64{1, 1, 1}}, nil)
		assert.Error(t, err, "id %d", id)
	}
	_, err := e.EmbedOne(background, "hello world", nil)
	assert.NoError(t, err, "the session stays usable")
}

func TestCutRealModelsAreRefused(t *testing.T) {
	r := openReal(t)
	whole, err := os.ReadFile(variant(r.candidate))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cut.onnx")
	c := r.config(t)
	c.Model = path
	for _, n := range []int{1 << 10, len(whole) / 3, len(whole) - 1} {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		_, err := ort.Open(background, c)
		require.ErrorContains(t, err, "cut.onnx", "cut at %d", n)
	}
}
