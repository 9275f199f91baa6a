package publish

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/verdict"
)

const (
	tinyTexts = 24
	tinyDim   = 8
	tinyName  = "tiny-1.0.0"

	tinyTokenizer = `{"model":{}}`
)

// A fixture is a directory with a tiny model and everything that a release needs.
// All is real but the vectors, which are made from the golden.
type fixture struct {
	dir string // candidate/, golden/, evidence/<one>/, policy.yaml, verdict.json
	candidate.Candidate
	golden.Set
	policy.Policy
}

// newFixture makes a fixture with a PASS verdict for channel local.
func newFixture(t testing.TB) fixture {
	f := fixture{dir: t.TempDir()}
	f.makeGolden(t)
	f.makePolicy(t, "1.0.0")
	f.makeCandidate(t)
	f.measure(t, "cpu")
	f.judge(t)
	return f
}

func (f *fixture) at(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

func (f *fixture) makeGolden(t testing.TB) {
	f.makeGoldenTimes(t, 1)
	tiny.Store(&f.Set)
}

// makeGoldenTimes makes the golden with each number multiplied.
func (f *fixture) makeGoldenTimes(t testing.TB, by float64) {
	r := rand.New(rand.NewPCG(7, 7))
	var texts bytes.Buffer
	var pooled, ids, offsets []byte
	offset := int64(0)
	offsets = binary.LittleEndian.AppendUint64(offsets, 0)
	for i := range tinyTexts {
		line, err := json.Marshal(map[string]string{"id": fmt.Sprintf("text-%02d", i), "group": "everyday", "text": fmt.Sprintf("Text number %d", i)})
		require.NoError(t, err)
		texts.Write(append(line, '\n'))
		for range tinyDim {
			pooled = binary.LittleEndian.AppendUint64(pooled, math.Float64bits(by*r.NormFloat64()))
		}
		for _, id := range []uint32{101, uint32(1000 + i), 102} {
			ids = binary.LittleEndian.AppendUint32(ids, id)
			offset++
		}
		offsets = binary.LittleEndian.AppendUint64(offsets, uint64(offset))
	}
	var vectors bytes.Buffer
	require.NoError(t, safetensors.Write(&vectors, []safetensors.Tensor{
		{Name: "pooled", DType: safetensors.F64, Shape: []int{tinyTexts, tinyDim}, Data: pooled},
		{Name: "ids", DType: safetensors.I32, Shape: []int{int(offset)}, Data: ids},
		{Name: "offsets", DType: safetensors.I64, Shape: []int{tinyTexts + 1}, Data: offsets},
	}, nil))
	m, err := json.Marshal(golden.Manifest{
		Schema: golden.Schema, Model: "tiny", Dim: tinyDim, Pooling: "mean", Normalize: true, MaxTokens: 32, Texts: tinyTexts,
		Source: map[string]string{"model.safetensors": files.HashBytes([]byte("weights"))}, Versions: map[string]string{},
		Files: map[string]string{golden.TextsName: files.HashBytes(texts.Bytes()), golden.VectorsName: files.HashBytes(vectors.Bytes())},
	})
	require.NoError(t, err)
	f.write(t, "golden/"+golden.TextsName, texts.Bytes())
	f.write(t, "golden/"+golden.VectorsName, vectors.Bytes())
	f.write(t, "golden/"+golden.ManifestName, m)
	f.Set, err = golden.Read(f.at("golden"))
	require.NoError(t, err)
}

// tiny is the golden that every fixture has.
var tiny atomic.Pointer[golden.Set]

// verify is Verify with the fixture's golden.
func verify(ctx context.Context, dir string) (Report, error) {
	return Verify(ctx, dir, Expect{Golden: tiny.Load()})
}

func (f *fixture) write(t testing.TB, name string, b []byte) {
	path := f.at(filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, b, 0o644))
}

func (f *fixture) makePolicy(t testing.TB, version string) {
	y := `schema: 2
release: {version: ` + version + `}
model:
  name: tiny
  source: dir:source
  files:
    model.safetensors: ` + files.HashBytes([]byte("weights")) + `
    tokenizer.json: ` + files.HashBytes([]byte(tinyTokenizer)) + `
    1_Pooling/config.json: ` + files.HashBytes([]byte("{}")) + `
variants: {fp32: {precision: fp32}, fp16: {precision: fp16}}
parity:
  fp32: {min_cosine: 0.999999, max_abs: 5e-6, norm: 5e-6}
  fp16: {min_cosine: 0.999, max_abs: 5e-3, norm: 5e-3}
invariance: {fp32: {max_abs: 5e-6}, fp16: {max_abs: 5e-3}}
latency:
  launches: 1
  samples: 90
  budgets: [{tokens: 16, batch: 1, percentile: 95, budget: 20ms, confidence: 0.99}]
cold_start: {budget: 5s}
memory: {budget: 600MiB}
providers:
  cpu: {variants: [fp32], placement: {min_flops: 1, allowed_fallback: []}}
  cuda: {variants: [fp32], placement: {min_flops: 0.99, allowed_fallback: []}}
  webgpu: {variants: [fp16], placement: {min_flops: 0.99, allowed_fallback: []}}
channels: {local: {require: [cpu]}, release: {require: [cpu, cuda]}}
`
	f.write(t, "policy.yaml", []byte(y))
	var err error
	f.Policy, err = policy.Load(f.at("policy.yaml"))
	require.NoError(t, err)
}

func (f *fixture) makeCandidate(t testing.TB) {
	f.write(t, "candidate/fp32.onnx", tinyONNX(bytes.Repeat([]byte("weights!"), 512)))
	f.write(t, "candidate/fp16.onnx", tinyModel(10, bytes.Repeat([]byte("half"), 512)))
	f.write(t, "candidate/tokenizer.json", []byte(tinyTokenizer))
	f.write(t, "candidate/1_Pooling/config.json", []byte(`{}`))
	var err error
	f.Candidate, err = candidate.Seal(f.at("candidate"), candidate.Manifest{
		Model: "tiny", Source: candidate.Source{Spec: "dir:source", Files: f.Policy.Model.Files},
		Embedding: candidate.Embedding{Pooling: candidate.PoolMean, Normalize: true, MaxTokens: 32, Dimension: tinyDim},
		Versions:  map[string]string{"torch": "2.15.0"},
		Variants: map[string]candidate.Variant{
			"fp32": {File: "fp32.onnx", Precision: candidate.FP32, Opset: 20, Forward: candidate.ForwardWrittenOut},
			"fp16": {File: "fp16.onnx", Precision: candidate.FP16, Opset: 20, Forward: candidate.ForwardWrittenOut},
		},
	})
	require.NoError(t, err)
}

// tinyONNX is a valid model: one Identity and one tensor of bytes.
func tinyONNX(data []byte) []byte { return tinyModel(2, data) }

// tinyModel is tinyONNX with a tensor of an ONNX type: 2 for bytes, 10 for
// float16.
func tinyModel(dtype uint64, data []byte) []byte {
	num := func(field, v uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(nil, field<<3), v)
	}
	msg := func(field uint64, parts ...[]byte) []byte {
		body := bytes.Join(parts, nil)
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, field<<3|2), uint64(len(body))), body...)
	}
	str := func(field uint64, s string) []byte { return msg(field, []byte(s)) }
	dims := num(1, uint64(len(data)))
	if dtype == 10 { // a matrix: its type is the variant's
		dims = append(num(1, 2), num(1, uint64(len(data)/4))...)
	}
	return bytes.Join([][]byte{
		num(1, 10),
		msg(7,
			msg(1, str(1, "input_ids"), str(2, "sentence_embedding"), str(4, "Identity")),
			msg(5, dims, num(2, dtype), str(8, "weights"), msg(9, data)),
			msg(11, str(1, "input_ids"), msg(2, msg(1, num(1, 7)))),
			msg(12, str(1, "sentence_embedding"), msg(2, msg(1, num(1, 1)))),
		),
		msg(8, num(2, 20)),
	}, nil)
}

// measure writes the evidence of a provider whose vectors are nearly the golden's
// and whose times are within every budget.
func (f *fixture) measure(t testing.TB, provider string, change ...func(*evidence.Evidence)) {
	variant := f.Policy.Providers[provider].Variants[0]
	e := evidence.Evidence{
		Schema: evidence.Schema, Provider: provider, Variant: variant, Nonce: "plan",
		Candidate: f.Candidate.Digest, Policy: f.Policy.Digest, Golden: f.Set.Digest,
		Model:  f.Manifest.Files[f.Manifest.Variants[variant].File].SHA256,
		Plan:   evidence.PlanFor(f.Policy, f.Set, provider, variant, f.Manifest.Variants[variant]),
		Cold:   []evidence.ColdStart{{Launch: 1, LoadNS: 1e8, FirstNS: 1e8, FromStartNS: 3e8}},
		Memory: []evidence.MemoryPeak{{Launch: 0, RSS: 1 << 20}, {Launch: 1, RSS: 1 << 20}},
		Latency: []evidence.LatencyRun{{
			Launch: 1, LatencyPoint: evidence.LatencyPoint{Tokens: 16, Batch: 1}, TotalTicks: 1000,
			SamplesNS: slices.Repeat([]int64{int64(2 * time.Millisecond)}, 90), CalibrationNS: slices.Repeat([]int64{1e6}, 16),
		}},
	}
	ep, ok := providers.Lookup(provider)
	require.True(t, ok)
	e.Machine = evidence.Machine{OS: "linux", Arch: "amd64", CPU: "a CPU", Cores: 2, Memory: 8 << 30}
	e.Session = providers.Info{
		Provider: provider, Runtime: string(ep.Runtime), RuntimeVersion: ep.Source.RuntimeVersion(), LibrarySHA256: ep.Source.Files[0].SHA256[0],
		Options: providers.Options{Threads: 2, DisabledOptimizers: ep.Disabled, Provider: ep.OptionsWith(f.Policy.OptionsOf(provider, variant))},
	}
	e.Placement = []evidence.PlacementRun{{Tokens: 16, Placement: providers.Placement{
		Assigned: []providers.Subgraph{{EP: ep.EP, Nodes: []providers.Node{{Name: "the node", Op: "Identity"}}}},
		Events:   []providers.NodeEvent{{Name: "the node", Op: "Identity", EP: ep.EP, Runs: 2, NS: 1000}},
	}}}
	e.Raw.Dim = f.Dim
	off := 1e-7 // as float32 computes
	if variant == "fp16" {
		off = 1e-4
	}
	var rows []int
	for i := range f.Texts {
		rows = append(rows, i)
		e.Raw.IDs = append(e.Raw.IDs, f.IDs[i])
		e.Useful += int64(len(f.IDs[i]))
		for _, x := range f.Embedding(i) {
			e.Raw.Primary = append(e.Raw.Primary, float32(x*(1+off*float64(1-2*(i%2)))))
		}
	}
	e.Computed = e.Useful
	for _, name := range evidence.InvarianceRuns() {
		e.Raw.Invariance = append(e.Raw.Invariance, evidence.InvarianceRun{Name: name, Rows: rows, Vecs: slices.Clone(e.Raw.Primary)})
	}
	for _, c := range change {
		c(&e)
	}
	require.NoError(t, evidence.Write(f.at("evidence", provider), e))
}

// evidence lists the evidence directories, sorted.
func (f *fixture) evidence(t testing.TB) []string {
	dirs, err := filepath.Glob(f.at("evidence", "*"))
	require.NoError(t, err)
	return dirs
}

// judge writes the verdict of the real gate.
func (f *fixture) judge(t testing.TB) verdict.Verdict { return f.judgeFor(t, "local") }

func (f *fixture) judgeFor(t testing.TB, channel string) verdict.Verdict {
	c, err := candidate.Read(f.at("candidate"))
	require.NoError(t, err)
	in := check.Input{Policy: f.Policy, Channel: channel, Golden: f.Set, Candidate: c, Nonce: "plan", Graphs: check.ReadGraphs(c, f.Policy)}
	for _, dir := range f.evidence(t) {
		e, err := evidence.Read(dir)
		require.NoError(t, err)
		in.Evidence = append(in.Evidence, e)
	}
	v, err := gate.Gate(in)
	require.NoError(t, err)
	require.True(t, v.SelfTestPassed(), "%+v", v.SelfTest)
	require.NoError(t, verdict.Write(f.at("verdict.json"), v))
	return v
}

// options are for publishing the fixture to target.
func (f *fixture) options(t testing.TB, target string) Options {
	return Options{
		CandidateDir: f.at("candidate"), Golden: f.Set, EvidenceDirs: f.evidence(t), VerdictFile: f.at("verdict.json"),
		Policy: f.Policy, Channel: "local", Nonce: "plan", Target: target,
	}
}

// publish publishes the fixture to a new target and returns the release.
func (f *fixture) publish(t testing.TB) string {
	r, err := Publish(t.Context(), f.options(t, filepath.Join(t.TempDir(), "dist")))
	require.NoError(t, err)
	require.False(t, r.Existed)
	return r.Dir
}

// tree returns every file and directory under dir with its bytes, but not the
// lock.
func tree(t testing.TB, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(p, ".lock") {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || d.IsDir() {
			all[filepath.ToSlash(rel)+"/"] = ""
			return err
		}
		b, err := os.ReadFile(p)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	}))
	return all
}

// names returns the files under dir, sorted.
func names(t testing.TB, dir string) (files []string) {
	for _, n := range slices.Sorted(maps.Keys(tree(t, dir))) {
		if !strings.HasSuffix(n, "/") {
			files = append(files, n)
		}
	}
	return files
}

// load reads a fixture that another process made.
func load(dir string) (f fixture, err error) {
	f.dir = dir
	if f.Policy, err = policy.Load(f.at("policy.yaml")); err != nil {
		return f, err
	}
	if f.Set, err = golden.Read(f.at("golden")); err != nil {
		return f, err
	}
	f.Candidate, err = candidate.Read(f.at("candidate"))
	return f, err
}

func (f *fixture) reload(t testing.TB) {
	var err error
	*f, err = load(f.dir)
	require.NoError(t, err)
}

// reseal makes the candidate's manifest again, and all that depends on it.
func (f *fixture) reseal(t testing.TB) {
	_, err := candidate.Seal(f.at("candidate"), f.Manifest)
	require.NoError(t, err)
	f.reload(t)
	f.measure(t, "cpu")
	f.judge(t)
}

func (f *fixture) editVerdict(t testing.TB, edit func(*verdict.Verdict)) {
	v, err := verdict.Read(f.at("verdict.json"))
	require.NoError(t, err)
	edit(&v)
	require.NoError(t, verdict.Write(f.at("verdict.json"), v))
}

func (f *fixture) flip(t testing.TB, name string, at int, mask byte) {
	b, err := os.ReadFile(f.at(filepath.FromSlash(name)))
	require.NoError(t, err)
	b[at] ^= mask
	f.write(t, name, b)
}
