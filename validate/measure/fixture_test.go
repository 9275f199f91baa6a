package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/measure/measuretest"
)

// self is the command line that starts this test binary as a child.
func self(t testing.TB) []string {
	exe, err := os.Executable()
	require.NoError(t, err)
	return []string{exe, "measure-child"}
}

// fakeOptions is a small measurement of a candidate that no runtime could
// open, for children with a fake session.
func fakeOptions(t testing.TB) Options {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, tokenizerName), measuretest.SmallTokenizer(t), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fake.onnx"), []byte("no model"), 0o600))
	c := candidate.Candidate{Dir: dir, Digest: "c0", Manifest: candidate.Manifest{
		Model:     "small",
		Embedding: candidate.Embedding{Pooling: candidate.PoolMean, MaxTokens: 24, Dimension: 3},
		Variants:  map[string]candidate.Variant{"fp32": {File: "fake.onnx", Precision: candidate.FP32}},
		Files:     map[string]candidate.File{},
	}}
	for _, f := range []string{tokenizerName, "fake.onnx"} {
		id, err := files.HashFile(filepath.Join(dir, f))
		require.NoError(t, err)
		c.Manifest.Files[f] = id
	}
	return Options{
		Candidate: c, Policy: smallPolicy(), Golden: smallGolden(), Provider: "cpu", Variant: "fp32", Nonce: "n0",
		Executable: self(t), Out: filepath.Join(t.TempDir(), "evidence"),
	}
}

func smallPolicy() policy.Policy {
	return policy.Policy{
		Digest: "p0",
		Latency: policy.Latency{Launches: 3, Samples: 30, Budgets: []policy.Budget{
			{Tokens: 6, Batch: 1, Percentile: 95, Budget: time.Second, Confidence: 0.99},
			{Tokens: 6, Batch: 1, Percentile: 50, Budget: time.Second, Confidence: 0.99},
			{Tokens: 16, Batch: 4, Percentile: 95, Budget: time.Second, Confidence: 0.99},
			{Tokens: 24, Batch: 1, Percentile: 95, Budget: time.Second, Confidence: 0.99},
		}},
		Providers: map[string]policy.Provider{"cpu": {Variants: []string{"fp32"}, Threads: 1}},
	}
}

func smallGolden() golden.Set {
	g := golden.Set{Model: "small", Dim: 3, MaxTokens: 24, Digest: "g0"}
	add := func(text string) {
		g.Texts = append(g.Texts, golden.Text{ID: fmt.Sprint(len(g.Texts)), Bytes: []byte(text)})
		g.IDs = append(g.IDs, make([]int64, min(2+len(strings.Fields(text)), g.MaxTokens)))
	}
	add("")
	add("the cat sat on the mat")
	add("unbelievable cats\xff on a zebra")
	for i := range 47 {
		text := "the"
		for k := range i % 25 {
			text += " " + []string{"cat", "mat", "dog", "sat"}[k%4]
		}
		add(text)
	}
	return g
}
