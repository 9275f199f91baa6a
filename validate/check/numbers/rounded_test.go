package numbers

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// roundMatrices rounds matrices of the real model to so many bits of mantissa,
// as TF32 and fp16 (11) and bfloat16 (8) do with the operands of a product.
// keep selects the matrices by their number.
func roundMatrices(t *testing.T, model []byte, bits int, keep func(i int) bool) {
	m, err := onnxfile.Parse(model)
	require.NoError(t, err)
	n := 0
	for _, i := range m.Initializers {
		if i.Type != 1 || len(i.Dims) != 2 || i.Offset == 0 || i.Dims[0] > 1536 {
			continue // biases, scales, and the word table, which is looked up and not multiplied
		}
		if n++; !keep(n) {
			continue
		}
		require.NoError(t, onnxedit.Floats(model, i.Name, func(v []float32) {
			for k := range v {
				v[k] = validatetest.Rounded(v[k], bits)
			}
		}))
	}
	require.Equal(t, 36, n, "six matrices in each of six layers")
}

// embedGolden runs a model on the real runtime, a text at a time.
func embedGolden(t *testing.T, model string, c candidate.Candidate, g golden.Set) []float32 {
	s, err := ort.Open(context.Background(), ort.Config{
		Library: providers.Library{Path: exporttest.OrtLib(t)}, Model: model, Embedding: c.Manifest.Embedding,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	var out []float32
	for _, ids := range g.IDs {
		mask := make([]int64, len(ids))
		for i := range mask {
			mask[i] = 1
		}
		out, err = s.Run(context.Background(), providers.Batch{Rows: 1, Cols: len(ids), IDs: ids, Mask: mask}, out)
		require.NoError(t, err)
	}
	return out
}

func TestRoundedArithmeticOfTheRealModelIsNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the real model five times: run without -short")
	}
	c := exporttest.Candidate(t)
	p, err := policy.Load("../../../policy.yaml")
	require.NoError(t, err)
	g, ok, err := golden.Builtin(p.Model.Name)
	require.NoError(t, err)
	require.True(t, ok)
	g = g.Subset(evidence.TextsOf(g, 96, g.MaxTokens)) // they show the same as all of them
	r, err := check.NewReference(g)
	require.NoError(t, err)
	file, err := os.ReadFile(filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File))
	require.NoError(t, err)
	every := func(int) bool { return true }

	for name, k := range map[string]struct {
		bits   int
		keep   func(int) bool
		want   verdict.Result
		named  string
		parity bool // passes too
	}{
		"float32 as it is":                 {24, func(int) bool { return false }, verdict.Pass, "of 24", true},
		"11 bits, as TF32 and fp16 have":   {11, every, verdict.Fail, "declared fp32-gpu, computes like TF32 or fp16", false},
		"11 bits in one matrix alone":      {11, func(i int) bool { return i == 20 }, verdict.Fail, "computes like float32 in part and TF32, fp16", true},
		"8 bits, as bfloat16 has":          {8, every, verdict.Fail, "declared fp32-gpu, computes like bfloat16", false},
		"4 bits, which is no float at all": {4, every, verdict.Fail, "computes like 8-bit integers, or with wrong weights", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := append([]byte(nil), file...)
			roundMatrices(t, b, k.bits, k.keep)
			model := filepath.Join(t.TempDir(), "fp32.onnx")
			require.NoError(t, os.WriteFile(model, b, 0o600))
			// The class of float32 with the widest limits.
			gc := check.Case{Policy: p, Golden: r, Class: candidate.FP32GPU}
			gc.Evidence.Raw = evidence.Vectors{Dim: g.Dim, Primary: embedGolden(t, model, c, g)}
			f := judgePrecision(gc).Findings[0]
			t.Logf("%s, %s", f.Measured, f.Sure)
			assert.Equal(t, k.want, f.Result, f.Measured)
			assert.Contains(t, f.Measured, k.named)
			if k.parity {
				for _, f := range judgeParity(gc).Findings {
					assert.Equal(t, verdict.Pass, f.Result, "%s %s", f.Item, f.Measured)
				}
			}
		})
	}
}
