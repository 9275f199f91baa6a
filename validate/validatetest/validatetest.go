package validatetest

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const weightsSHA = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

// SmallGolden is a golden set in memory: random directions, copies, blank texts
// that all have one vector, and ranking cases.
func SmallGolden() golden.Set {
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

// Ptr returns a pointer to v.
func Ptr(v float64) *float64 { return &v }

// SmallPolicy returns a policy for three providers and two variants.
func SmallPolicy(g golden.Set) policy.Policy {
	return policy.Policy{
		Schema:   policy.Schema,
		Model:    policy.Model{Name: g.Model, Files: maps.Clone(g.Source)},
		Variants: map[string]policy.Variant{"fp32": {Precision: candidate.FP32}, "int8": {Precision: candidate.INT8}},
		Parity: map[candidate.Precision]policy.Parity{
			candidate.FP32: {
				MinCosine: Ptr(0.999999), MeanCosine: Ptr(0.9999995), MaxAbs: Ptr(5e-6), Norm: Ptr(5e-6),
				Rank: &policy.Rank{TopK: 5, Agreement: Ptr(0.995), Spearman: Ptr(0.9999)},
			},
			candidate.INT8: {MinCosine: Ptr(0.99), Norm: Ptr(0.01)},
		},
		Invariance: map[candidate.Precision]policy.Invariance{
			candidate.FP32: {MaxAbs: Ptr(5e-6)}, candidate.INT8: {MaxAbs: Ptr(1e-3)},
		},
		Latency: policy.Latency{Launches: 3, Samples: 300, Budgets: []policy.Budget{
			{Tokens: 16, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99},
			{Tokens: 128, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99},
			{Tokens: 256, Batch: 1, Percentile: 95, Budget: 20 * time.Millisecond, Confidence: 0.99, Precisions: []candidate.Precision{candidate.INT8}},
		}},
		WorthIt: &policy.WorthIt{
			Provider: "cpu", Variant: "fp32", Tokens: []int{16, 128}, Rounds: 7, Samples: 5, Speedup: Ptr(1), Confidence: 0.99,
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

// portable returns a provider that must also be right on other processors.
func portable(p policy.Provider) policy.Provider {
	p.Portability = []string{"x86-64-v2", "arm64"}
	return p
}

// placed returns a provider on which nearly all FLOPs must have run.
func placed(variants ...string) policy.Provider {
	return policy.Provider{Variants: variants, Placement: &policy.Placement{MinFLOPs: Ptr(0.99), AllowedFallback: []string{"Shape"}}}
}

// wholly returns a provider with limits on nodes and time as well.
func wholly(variants ...string) policy.Provider {
	p := placed(variants...)
	p.Placement.MinNodes, p.Placement.MinTime = Ptr(0.9), Ptr(0.9)
	return p
}

// SmallInput returns input whose evidence of cpu × fp32 passes.
func SmallInput(t testing.TB) check.Input {
	g := SmallGolden()
	p := SmallPolicy(g)
	in := check.Input{
		Policy: p, Channel: "local", Golden: g, Nonce: "nonce-1",
		Candidate: candidate.Candidate{
			Digest: strings.Repeat("c", 64),
			Manifest: candidate.Manifest{
				Model: g.Model, Source: candidate.Source{Files: maps.Clone(g.Source)}, Embedding: good.Embedding(g),
				Variants: map[string]candidate.Variant{
					"fp32": {File: "fp32.onnx", Precision: candidate.FP32}, "int8": {File: "int8.onnx", Precision: candidate.INT8},
				},
				Files: map[string]candidate.File{
					"fp32.onnx": {SHA256: strings.Repeat("a", 64)}, "int8.onnx": {SHA256: strings.Repeat("b", 64)},
				},
			},
		},
	}
	in.Graphs = map[string]check.Graph{"fp32": SmallGraph(), "int8": SmallGraph()}
	in.Evidence = []evidence.Evidence{EvidenceFor(t, in, "cpu", "fp32")}
	return in
}

// SmallGraph returns a graph that cuda is predicted to run whole.
func SmallGraph() check.Graph {
	g := good.Graph([]int{16, 128, 256})
	g.Predicted = map[string]check.Prediction{"cuda": {Nodes: 5, Partitions: 1}}
	return g
}

// EvidenceFor returns good evidence of a provider × variant.
func EvidenceFor(t testing.TB, in check.Input, provider, variant string) evidence.Evidence {
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	e := good.Case(in.Policy, in.Channel, r, provider, variant).Evidence
	e.Model = ModelOf(in, variant)
	e.Candidate, e.Nonce, e.Digest = in.Candidate.Digest, in.Nonce, strings.Repeat("e", 64)
	return e
}

// ModelOf returns the sha256 of the file that a variant runs.
func ModelOf(in check.Input, variant string) string {
	m := in.Candidate.Manifest
	return m.Files[m.Variants[in.Policy.FileOf(variant)].File].SHA256
}

// Cloned returns evidence that may be changed without changing e.
func Cloned(e evidence.Evidence) evidence.Evidence {
	e = evidence.CloneMeasured(e)
	e.Raw = evidence.CloneRaw(e.Raw)
	return e
}

// RowOf returns the row of a provider × variant.
func RowOf(t testing.TB, v verdict.Verdict, provider, variant string) verdict.Row {
	for _, r := range v.Rows {
		if r.Provider == provider && r.Variant == variant {
			return r
		}
	}
	require.Fail(t, "no row", "%s × %s", provider, variant)
	return verdict.Row{}
}

// Failures lists the findings that did not pass: "FAIL tokens/ids".
func Failures(r verdict.Row) (s []string) {
	for _, f := range r.Findings {
		if f.Result != verdict.Pass && f.Result != verdict.Reported {
			s = append(s, fmt.Sprintf("%s %s/%s", f.Result, f.Check, f.Item))
		}
	}
	return s
}

// Run returns the invariance run of a name.
func Run(e *evidence.Evidence, name string) *evidence.InvarianceRun {
	for i := range e.Raw.Invariance {
		if e.Raw.Invariance[i].Name == name {
			return &e.Raw.Invariance[i]
		}
	}
	return nil
}

// WriteEvidence writes evidence into a new directory and returns its path.
func WriteEvidence(t testing.TB, e evidence.Evidence) string {
	dir := filepath.Join(t.TempDir(), "new", "cpu-fp32")
	require.NoError(t, evidence.Write(dir, e))
	return dir
}

// Rising returns n rising durations in ns.
func Rising(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(1e6 + i)
	}
	return all
}

// Laddered returns a golden with texts of 2, 3, … tokens.
func Laddered(n int) golden.Set {
	g := golden.Set{Dim: 1, MaxTokens: 256}
	for i := range n {
		g.Texts = append(g.Texts, golden.Text{ID: string(rune('a' + i))})
		g.IDs = append(g.IDs, make([]int64, 2+i))
		g.Pooled = append(g.Pooled, float64(i))
	}
	return g
}

// FixedAt returns a variant whose file has a fixed length.
func FixedAt(cols string) candidate.Variant {
	return candidate.Variant{Inputs: []candidate.Tensor{{Name: "input_ids", Type: "int64", Shape: []string{"1", cols}}}}
}

// Item returns the finding of a check with that item.
func Item(t *testing.T, r verdict.Row, check, item string) verdict.Finding {
	for _, f := range r.Findings {
		if f.Check == check && f.Item == item {
			return f
		}
	}
	require.Fail(t, "no finding", "%s/%s", check, item)
	return verdict.Finding{}
}

// TinyInput returns input that is small enough for a fuzzer.
func TinyInput(t testing.TB) check.Input {
	in := SmallInput(t)
	g := &in.Golden
	g.Texts, g.IDs, g.Dim = g.Texts[44:50], g.IDs[44:50], 3
	g.Pooled = g.Pooled[:6*3]
	in.Candidate.Manifest.Embedding.Dimension = 3
	in.Policy.Latency.Launches, in.Policy.Latency.Samples = 1, 4
	in.Policy.Latency.Budgets = in.Policy.Latency.Budgets[:1]
	e := EvidenceFor(t, in, "cpu", "fp32")
	e.Latency[0].CalibrationNS = e.Latency[0].CalibrationNS[:2]
	in.Evidence = []evidence.Evidence{e}
	return in
}

// Rounded rounds a float32 to so many bits of mantissa, the hidden one included.
func Rounded(v float32, bits int) float32 {
	cut := 24 - bits
	b := math.Float32bits(v)
	b += 1 << (cut - 1)
	return math.Float32frombits(b &^ (1<<cut - 1))
}
