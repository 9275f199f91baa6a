package gate_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// builtinInput is the project's own policy and golden, with evidence of what a
// good float32 model gives: the golden with noise of the size that ONNX
// Runtime's CPU kernels have.
func builtinInput(t testing.TB) check.Input {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	g, ok, err := golden.Builtin(p.Model.Name)
	require.NoError(t, err)
	require.True(t, ok)
	in := check.Input{
		Policy: p, Channel: "local", Golden: g, Nonce: "n",
		Candidate: candidate.Candidate{
			Digest: strings.Repeat("c", 64),
			Manifest: candidate.Manifest{
				Model: p.Model.Name, Source: candidate.Source{Files: p.Model.Files}, Embedding: good.Embedding(g),
				Variants: map[string]candidate.Variant{
					"fp32": {File: "fp32.onnx", Precision: candidate.FP32}, "int8": {File: "int8.onnx", Precision: candidate.INT8},
				},
				Files: map[string]candidate.File{"fp32.onnx": {SHA256: strings.Repeat("a", 64)}, "int8.onnx": {SHA256: strings.Repeat("b", 64)}},
			},
		},
	}
	in.Graphs = map[string]check.Graph{"fp32": validatetest.SmallGraph(), "int8": validatetest.SmallGraph()}
	e := validatetest.EvidenceFor(t, in, "cpu", "fp32")
	r := rand.New(rand.NewPCG(1, 1))
	noise := func(v []float32) {
		for i := range v {
			v[i] += float32(1e-7 * r.NormFloat64())
		}
	}
	noise(e.Raw.Primary)
	for i := range e.Raw.Invariance {
		noise(e.Raw.Invariance[i].Vecs)
	}
	in.Evidence = []evidence.Evidence{e, validatetest.EvidenceFor(t, in, "cpu", "int8")}
	return in
}

func TestTheProjectsOwnPolicyAndGoldenPassAGoodModel(t *testing.T) {
	in := builtinInput(t)
	v := gatetest.Gate(t, in)
	row := v.Rows[0]
	assert.Equal(t, verdict.Pass, v.Result, "%v", validatetest.Failures(row))
	assert.Equal(t, 1.0, row.Parity.RankTopK, "ties and rounding cost no neighbour")
	assert.Greater(t, row.Parity.Spearman, 0.999999)
	assert.Equal(t, "100.00 %", validatetest.Item(t, row, "parity", "paraphrase order").Measured)
	for _, c := range []string{"a wrong ranking", "near-misses", "normalisation left out"} {
		found := false
		for _, f := range v.SelfTest {
			found = found || strings.Contains(f.Item, c)
		}
		assert.True(t, found, "the self-test shows %s", c)
	}
}

func TestTheProjectsOwnPolicyRefusesASlightlyWorseModel(t *testing.T) {
	in := builtinInput(t)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range in.Evidence[0].Raw.Primary { // about twice what TF32 does
		in.Evidence[0].Raw.Primary[i] += float32(1e-4 * r.NormFloat64())
	}
	row := gatetest.Gate(t, in).Rows[0]
	assert.Contains(t, validatetest.Failures(row), "FAIL parity/min cosine")
	assert.Contains(t, validatetest.Failures(row), "FAIL parity/max abs error")
	assert.Contains(t, validatetest.Item(t, row, "precision", "correct bits").Measured, "declared fp32, computes like TF32 or fp16")
}

func BenchmarkGate(b *testing.B) {
	in := builtinInput(b)
	for b.Loop() {
		v, err := gate.Gate(in)
		if err != nil || v.Result != verdict.Pass {
			b.Fatal(err, v.Result)
		}
	}
}

func TestAVerdictIsValidJSONForMachines(t *testing.T) {
	data, err := verdict.Encode(gatetest.Gate(t, builtinInput(t)))
	require.NoError(t, err)
	assert.True(t, json.Valid(data))
	assert.Less(t, len(data), 100<<10)
}
