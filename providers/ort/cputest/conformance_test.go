package cputest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
	"github.com/embedgate/embedgate/providers/providertest"
)

// conforms runs the suite on model, which has that vocabulary.
func conforms(t *testing.T, c ort.Config, f providertest.Facts) {
	f.MaxTokens = c.Embedding.MaxTokens
	conformsTo(t, c, f)
}

// conformsTo is conforms where the model takes fewer tokens than it says.
func conformsTo(t *testing.T, c ort.Config, f providertest.Facts) {
	f.Provider, f.Dim, f.Normalize = "cpu", c.Embedding.Dimension, c.Embedding.Normalize
	providertest.Run(t, func(t providertest.T) providers.Session {
		s, err := ort.Open(background, c)
		require.NoError(t, err)
		return s
	}, f)
}

// rounds are fewer than the 1,000 that the tiny BERT's sessions are held to.
func rounds() int {
	if testing.Short() {
		return 20
	}
	return 100
}

func TestTheCPUConformsOnAHandWrittenModel(t *testing.T) {
	conforms(t, config(t, modeltest.Long().Write(t), modeltest.Embedding(candidate.PoolMean, true)),
		providertest.Facts{Vocab: modeltest.Vocab, Tolerance: 1e-6, SlowRows: 2048, Rounds: rounds()})
}

func TestTheCPUConformsOnATinyBERT(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model")
	}
	c := exporttest.TinyCandidate(t)
	conforms(t, config(t, variant(c), c.Manifest.Embedding),
		providertest.Facts{Vocab: vocabulary(t, c), Tolerance: 1e-6, SlowRows: 128, OutOfMemoryRows: 20_000})
}

// variant is the path of a candidate's fp32 model.
func variant(c candidate.Candidate) string {
	return filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File)
}

// vocabulary is the size of a candidate's vocabulary, from its config.json.
func vocabulary(t testing.TB, c candidate.Candidate) int64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.Dir, "config.json"))
	require.NoError(t, err)
	var config struct {
		VocabSize int64 `json:"vocab_size"`
	}
	require.NoError(t, json.Unmarshal(raw, &config))
	require.Positive(t, config.VocabSize)
	return config.VocabSize
}

func TestBoundTheCPUConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("opens hundreds of sessions: run without -short")
	}
	conforms(t, bindingOf(config(t, modeltest.Long().Write(t), modeltest.Embedding(candidate.PoolMean, true))),
		providertest.Facts{Vocab: modeltest.Vocab, Tolerance: 1e-6, SlowRows: 2048, Rounds: rounds()})
}

func TestBoundATinyBERTConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model")
	}
	c := exporttest.TinyCandidate(t)
	conforms(t, bindingOf(config(t, variant(c), c.Manifest.Embedding)),
		providertest.Facts{Vocab: vocabulary(t, c), Tolerance: 1e-6, SlowRows: 128, OutOfMemoryRows: 20_000, Rounds: rounds()})
}

func TestAFixedShapeConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("opens hundreds of sessions: run without -short")
	}
	for _, c := range []struct{ rows, cols, slow int }{{1, 16, 128}, {8, 32, 1024}} { // 128 executions of either
		t.Run(fmt.Sprint(c.rows, " × ", c.cols), func(t *testing.T) {
			conformsTo(t, config(t, modeltest.Fixed(modeltest.Long(), c.rows, c.cols).Write(t), modeltest.Embedding(candidate.PoolMean, true)),
				providertest.Facts{MaxTokens: c.cols, Vocab: modeltest.Vocab, Tolerance: 1e-6, SlowRows: c.slow, Rounds: rounds()})
		})
	}
}

// bindingOf is c with inputs and outputs that stay where they are.
func bindingOf(c ort.Config) ort.Config {
	c.Options.IOBinding = true
	return c
}
