package support

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile"
)

func read(t testing.TB, c candidate.Candidate, variant string) onnxfile.Model {
	t.Helper()
	v, ok := c.Manifest.Variants[variant]
	require.True(t, ok, "the candidate has no variant %s", variant)
	m, err := onnxfile.Read(filepath.Join(c.Dir, v.File))
	require.NoError(t, err)
	return m
}

func TestTheRealDynamicModelDoesNotRunOnCoreML(t *testing.T) {
	p := predict(t, "coreml", read(t, exporttest.Candidate(t), "fp32"))
	assert.False(t, p.Whole())
	assert.Zero(t, p.OnProvider)
	assert.Contains(t, reasons(p)["matmul_0"], "not fixed (batch, sequence)")
	assert.Contains(t, reasons(p)["cast_0"], "fed by a graph input")
}

// transformers' own forward looks the mask up by computed indices.
func TestTheRealPlainModelSplitsOnCoreML(t *testing.T) {
	p := predict(t, "coreml", read(t, exporttest.PlainCandidate(t), "fp32"))
	assert.False(t, p.Whole())
	found := false
	for _, r := range p.Elsewhere {
		if r.Op == "GatherND" {
			found = true
			assert.Contains(t, r.Reason, "indices are not constant")
		}
	}
	assert.True(t, found)
}

func TestTheRealModelOnWebGPU(t *testing.T) {
	p, ok := PredictFromRecord("webgpu", read(t, exporttest.Candidate(t), "fp32"))
	require.True(t, ok)
	assert.Equal(t, 1.0, p.FLOPsShare)
	var ops []string
	for _, r := range p.Elsewhere {
		ops = append(ops, r.Op)
	}
	assert.ElementsMatch(t, []string{"Shape", "Cast"}, ops, "what the runtime's record says of this very model")
}
