package validate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
)

const weightsSHA = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

// smallGolden is a golden set in memory: random directions, copies, blank texts
// that all have one vector, and ranking cases.
func smallGolden() golden.Set {
	r := rand.New(rand.NewPCG(5, 5))
	g := golden.Set{
		Model: "tiny", Dim: 24, Normalize: true, Pooling: "mean", MaxTokens: 32,
		Source: map[string]string{"model.safetensors": weightsSHA, "tokenizer.json": strings.Repeat("7", 64)},
		Digest: strings.Repeat("9", 64),
	}
	add := func(id, group, text, pair, role string, v []float64) {
		g.Texts = append(g.Texts, golden.Text{ID: id, Group: group, Bytes: []byte(text), Pair: pair, Role: role})
		g.IDs = append(g.IDs, []int64{101, int64(1000 + len(g.IDs)), int64(2000 + len(text)), 102})
		g.Pooled = append(g.Pooled, v...)
	}
	vector := func() []float64 {
		v := make([]float64, g.Dim)
		for i := range v {
			v[i] = 3 * r.NormFloat64()
		}
		return v
	}
	near := func(v []float64, by float64) []float64 {
		w := slices.Clone(v)
		for i := range w {
			w[i] += by * r.NormFloat64()
		}
		return w
	}
	for i := range 40 {
		add(fmt.Sprintf("everyday-%02d", i), "everyday", fmt.Sprintf("Text %d", i), "", "", vector())
	}
	blank := vector()
	for i := range 4 {
		add(fmt.Sprintf("blank-%d", i), "blank", strings.Repeat(" ", i), "", "", blank)
	}
	for i := range 4 {
		pair, a := fmt.Sprintf("case-%d", i), vector()
		add(pair+"-a", "pairs", "anchor", pair, "anchor", a)
		add(pair+"-p", "pairs", "paraphrase", pair, "paraphrase", near(a, 0.5))
		add(pair+"-n", "pairs", "near-miss", pair, "near-miss", near(a, 2))
	}
	return g
}

func ptr(v float64) *float64 { return &v }

func smallPolicy(g golden.Set) policy.Policy {
	return policy.Policy{
		Schema:   policy.Schema,
		Model:    policy.Model{Name: g.Model, Files: maps.Clone(g.Source)},
		Variants: map[string]policy.Variant{"fp32": {Precision: candidate.FP32}, "int8": {Precision: candidate.INT8}},
		Parity: map[candidate.Precision]policy.Parity{
			candidate.FP32: {
				MinCosine: ptr(0.999999), MeanCosine: ptr(0.9999995), MaxAbs: ptr(5e-6), Norm: ptr(5e-6),
				Rank: &policy.Rank{TopK: 5, Agreement: ptr(0.995), Spearman: ptr(0.9999)},
			},
			candidate.INT8: {MinCosine: ptr(0.99), Norm: ptr(0.01)},
		},
		Invariance: map[candidate.Precision]policy.Invariance{
			candidate.FP32: {MaxAbs: ptr(5e-6)}, candidate.INT8: {MaxAbs: ptr(1e-3)},
		},
		Latency: policy.Latency{Launches: 3, Samples: 300, Budgets: []policy.Budget{
			{Tokens: 16, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99},
			{Tokens: 128, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99},
			{Tokens: 256, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99, Classes: []candidate.Precision{candidate.INT8}},
		}},
		WorthIt: &policy.WorthIt{
			Provider: "cpu", Variant: "fp32", Tokens: []int{16, 128}, Rounds: 7, Samples: 5, Speedup: ptr(1), Confidence: 0.99,
		},
		ColdStart: policy.Limit{Budget: 5 * time.Second},
		Memory:    policy.MemoryLimit{Budget: 600 << 20},
		Providers: map[string]policy.Provider{
			"cpu": portable(placed("fp32")), "cuda": wholly("fp32"), "coreml": placed("fp32", "int8"),
		},
		Channels: map[string]policy.Channel{
			"local": {Require: []string{"cpu"}}, "release": {Require: []string{"cuda", "cpu"}}, "gpu": {Require: []string{"cuda"}},
			"everywhere": {Require: []string{"cpu"}, Portability: true},
			"apple":      {Require: []string{"coreml"}},
		},
		Digest: strings.Repeat("8", 64),
	}
}

// portable is a provider that must be right on other processors, too.
func portable(p policy.Provider) policy.Provider {
	p.Portability = []string{"x86-64-v2", "arm64"}
	return p
}

// placed is a provider on which nearly all must have run.
func placed(variants ...string) policy.Provider {
	return policy.Provider{Variants: variants, Placement: &policy.Placement{MinFLOPs: ptr(0.99), Elsewhere: []string{"Shape"}}}
}

// wholly is one on which all nodes must have run and all time been spent.
func wholly(variants ...string) policy.Provider {
	p := placed(variants...)
	p.Placement.MinNodes, p.Placement.MinTime = ptr(0.9), ptr(0.9)
	return p
}

// smallInput is input whose evidence of cpu × fp32 passes.
func smallInput(t testing.TB) Input {
	g := smallGolden()
	p := smallPolicy(g)
	in := Input{
		Policy: p, Channel: "local", Golden: g, Nonce: "nonce-1",
		Candidate: candidate.Candidate{
			Digest: strings.Repeat("c", 64),
			Manifest: candidate.Manifest{
				Model: g.Model, Source: candidate.Source{Files: maps.Clone(g.Source)}, Embedding: embeddingThatFits(g),
				Variants: map[string]candidate.Variant{
					"fp32": {File: "fp32.onnx", Precision: candidate.FP32}, "int8": {File: "int8.onnx", Precision: candidate.INT8},
				},
				Files: map[string]candidate.File{
					"fp32.onnx": {SHA256: strings.Repeat("a", 64)}, "int8.onnx": {SHA256: strings.Repeat("b", 64)},
				},
			},
		},
	}
	in.Graphs = map[string]Graph{"fp32": smallGraph(), "int8": smallGraph()}
	in.Evidence = []Evidence{evidenceFor(t, in, "cpu", "fp32")}
	return in
}

// smallGraph is one that cuda is predicted to take whole.
func smallGraph() Graph {
	g := goodGraph([]int{16, 128, 256})
	g.Predicted = map[string]Prediction{"cuda": {Nodes: 5, Partitions: 1}}
	return g
}

func evidenceFor(t testing.TB, in Input, provider, variant string) Evidence {
	r, err := newReference(in.Golden)
	require.NoError(t, err)
	e := knownGood(in, r, provider, variant).evidence
	e.Model = modelOf(in, variant)
	e.Candidate, e.Nonce, e.Digest = in.Candidate.Digest, in.Nonce, strings.Repeat("e", 64)
	return e
}

// modelOf is the sha256 of the file that a variant runs.
func modelOf(in Input, variant string) string {
	m := in.Candidate.Manifest
	return m.Files[m.Variants[in.Policy.FileOf(variant)].File].SHA256
}

// cloned is evidence that may be changed without changing e.
func cloned(e Evidence) Evidence {
	e = cloneMeasured(e)
	e.Raw = cloneRaw(e.Raw)
	return e
}

func gate(t testing.TB, in Input) Verdict {
	v, err := Gate(in)
	require.NoError(t, err)
	for _, f := range v.SelfTest {
		require.Equal(t, Pass, f.Result, "%s: %s", f.Item, f.Measured)
	}
	require.True(t, v.SelfTestPassed())
	return v
}

func rowOf(t testing.TB, v Verdict, provider, variant string) Row {
	for _, r := range v.Rows {
		if r.Provider == provider && r.Variant == variant {
			return r
		}
	}
	require.Fail(t, "no row", "%s × %s", provider, variant)
	return Row{}
}

func failures(r Row) (s []string) {
	for _, f := range r.Findings {
		if f.Result != Pass && f.Result != Reported {
			s = append(s, fmt.Sprintf("%s %s/%s", f.Result, f.Check, f.Item))
		}
	}
	return s
}
