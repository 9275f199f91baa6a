package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/report"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

func golden(t *testing.T, name string, got []byte) {
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got), "go test ./report -update writes it anew")
}

func machine() *evidence.Machine {
	return &evidence.Machine{OS: "linux", Arch: "amd64", CPU: "a processor", Cores: 2, InstructionSets: []string{evidence.SSE41, evidence.AVX2}, Memory: 8 << 30, Kernel: "6.1", Go: "go1.26"}
}

// cpu is a provider × variant that passed.
func cpu() verdict.Row {
	return verdict.Row{
		Provider: "cpu", Variant: "fp32", Evidence: strings.Repeat("e", 64), Required: true, Result: verdict.Pass,
		Findings: []verdict.Finding{
			{Check: "integrity", Item: "binding", Result: verdict.Pass, Measured: "bound to candidate 8b1f00c2d4e6", Threshold: "this candidate, policy, golden and plan"},
			{Check: "integrity", Item: "embedding", Result: verdict.Pass, Measured: "the golden's configuration", Threshold: "model, pooling, normalisation, max tokens and dimension as in the golden"},
			{Check: "tokens", Item: "ids", Result: verdict.Pass, Measured: "330 of 330 texts equal", Threshold: "the golden ids in every text"},
			{Check: "parity", Item: "min cosine", Result: verdict.Pass, Measured: "0.999999999", Threshold: "≥ 0.99999", Value: 0.999999999},
			{Check: "latency", Item: "16 tokens p95", Result: verdict.Pass, Measured: "4.21 ms", Threshold: "< 10.00 ms", Sure: "k=0 of n=300 over (as 0 of 242 independent ones), P=4.1e-06 ≤ 0.01", Value: 4.21e6},
			{Check: "latency", Item: "256 tokens p95", Result: verdict.Reported, Measured: "61.30 ms", Threshold: "none", Value: 6.13e7},
			{Check: "memory", Item: "largest process", Result: verdict.Pass, Measured: "312.4 MiB", Threshold: "≤ 600.0 MiB", Value: 327575142},
		},
		Latency: []verdict.LatencySummary{
			{LatencyPoint: evidence.LatencyPoint{Tokens: 16, Batch: 1}, N: 300, EffectiveN: 241.7, P50NS: 3_100_000, P95NS: 4_210_000, P99NS: 5_900_000},
			{LatencyPoint: evidence.LatencyPoint{Tokens: 256, Batch: 1}, N: 300, EffectiveN: 300, P50NS: 55_000_000, P95NS: 61_300_000, P99NS: 70_000_000},
		},
		Machine: machine(),
		Best:    true, Bits: 20.81, Session: &verdict.Session{Runtime: "onnxruntime 1.32.0"},
		Placement: []verdict.PlacementSummary{{Tokens: 16, Nodes: 153, NodeShare: 1, FLOPs: 342110208, FLOPsShare: 1, TimeShare: 1}},
		Parity: &verdict.ParitySummary{
			Texts: 330, MinCosine: 0.999999999, MeanCosine: 0.9999999999, MaxAbs: 2.4e-7, WorstText: "ladder-0128", RankTopK: 1, Spearman: 0.999999,
		},
	}
}

// webgpu has right results and placement, and is far too slow.
func webgpu() verdict.Row {
	return verdict.Row{
		Provider: "webgpu", Variant: "fp32", Evidence: strings.Repeat("f", 64), Result: verdict.Fail, Bits: 20.6, Machine: machine(),
		Session: &verdict.Session{Runtime: "onnxruntime 1.30.0", Device: providers.Device{Name: "SwiftShader", Software: true}},
		Findings: []verdict.Finding{
			{Check: "placement", Item: "FLOPs", Result: verdict.Pass, Measured: "100.00 % on WebGpuExecutionProvider", Threshold: "≥ 99.00 %", Value: 1},
			{Check: "placement", Item: "elsewhere", Result: verdict.Pass, Measured: "Cast on CPUExecutionProvider, Shape on CPUExecutionProvider", Threshold: "no operator but Shape, Cast"},
			{Check: "precision", Item: "correct bits", Result: verdict.Pass, Measured: "20.6 bits of 24", Threshold: "≥ 17.0 bits, as fp32-gpu computes", Sure: "median text 20.7 bits", Value: 20.6},
			{
				Check: "latency", Item: "16 tokens p95", Result: verdict.Fail, Measured: "920.00 ms (ended after 10 s: 33 of 300 samples; 33 over the budget are enough to fail)", Threshold: "< 20.00 ms",
				Sure: "k=33 of n=33 over, P=4.1e-05 ≤ 0.01", Value: 9.2e8, Next: "Make the model faster here, or change the promise in policy.yaml.",
			},
			{
				Check: "worth-it", Item: "16 tokens", Result: verdict.Fail, Measured: "0.00222 × as fast as cpu × fp32", Threshold: "≥ 1 ×", Sure: "0 of 7 rounds won, P=0.0078",
				Value: 0.00222, Next: "On this machine webgpu is not worth it: the same text is ready sooner on cpu × fp32.",
			},
		},
		Placement: []verdict.PlacementSummary{{
			Tokens: 16, Nodes: 153, NodeShare: 0.986928, FLOPs: 342110208, FLOPsShare: 1, TimeShare: 0.99991,
			Elsewhere: []string{"Cast on CPUExecutionProvider", "Shape on CPUExecutionProvider"},
		}},
		WorthIt: []verdict.WorthSummary{{Tokens: 16, Against: "cpu × fp32", Speedup: 0.00222, Rounds: 7}},
		Latency: []verdict.LatencySummary{
			{LatencyPoint: evidence.LatencyPoint{Tokens: 16, Batch: 1}, N: 33, Planned: 300, EffectiveN: 300, P50NS: 920_000_000, P95NS: 931_000_000, P99NS: 940_000_000},
		},
	}
}

func coreml() verdict.Row {
	return verdict.Row{
		Provider: "coreml", Variant: "fp32", Result: verdict.NotMeasured,
		Findings: []verdict.Finding{
			{Check: "integrity", Item: "binding", Result: verdict.Pass, Measured: "bound to candidate 8b1f00c2d4e6", Threshold: "this candidate, policy, golden and plan", Next: "Never told."},
			{
				Check: "integrity", Item: "evidence", Result: verdict.NotMeasured, Measured: "CoreML is on macOS only; this is linux/amd64", Threshold: "one measurement",
				Next: "Run `embedgate measure --provider coreml` on a machine that has it, and give its evidence to the gate.",
			},
		},
	}
}

func passing() verdict.Verdict {
	return verdict.Verdict{
		Schema: verdict.Schema, Result: verdict.Pass, Channel: "local", Model: "all-MiniLM-L6-v2",
		Candidate: strings.Repeat("c", 64), Policy: strings.Repeat("d", 64), Golden: strings.Repeat("a", 64), Nonce: "n0",
		Rows:     []verdict.Row{cpu(), coreml(), webgpu()},
		SelfTest: []verdict.Finding{{Check: "self-test", Item: "a vector of NaN", Result: verdict.Pass}, {Check: "self-test", Item: "a stale plan", Result: verdict.Pass}},
	}
}

func failing() verdict.Verdict {
	v := passing()
	v.Result, v.Missing = verdict.Fail, []string{"cpu", "directml"}
	cpu, dml := &v.Rows[0], coreml()
	cpu.Result = verdict.Fail
	cpu.Findings[3].Result, cpu.Findings[3].Measured = verdict.Fail, "0.981200000"
	cpu.Findings[3].Next = "Compare `ladder-0128` with `embedgate inspect`; a lower cosine means that the graph or the provider computes something else than the golden did, so do not lower the threshold."
	cpu.Findings[4].Result, cpu.Findings[4].Measured, cpu.Findings[4].Sure = verdict.Fail, "14.90 ms", "k=210 of n=300, P=1"
	cpu.Findings[4].Next = "Measure on an idle machine, or raise the budget."
	cpu.Findings[6].Result, cpu.Findings[6].Measured, cpu.Findings[6].Next = verdict.Fail, "900.0 MiB", cpu.Findings[4].Next
	cpu.Findings[6].Warnings = []string{"the machine swapped while this was measured"}
	dml.Provider, dml.Required = "directml", true
	dml.Findings = dml.Findings[1:]
	dml.Findings[0].Measured, dml.Findings[0].Next = "no evidence of it was given", "Run `embedgate measure --provider directml` on a machine that has it, and give its evidence to the gate."
	v.Rows = append(v.Rows, dml)
	return v
}

func inconclusive() verdict.Verdict {
	v := passing()
	v.Result, v.Missing, v.Rows[0].Result = verdict.Inconclusive, []string{"cpu"}, verdict.Inconclusive
	f := &v.Rows[0].Findings[4]
	f.Result, f.Measured, f.Sure, f.Next = verdict.Inconclusive, "9.60 ms", "k=12 of n=300, P=0.23", "Take more samples: `embedgate measure --samples 1200`."
	return v
}

func broken() verdict.Verdict {
	v := passing()
	v.Result = verdict.Fail
	v.SelfTest[1].Result, v.SelfTest[1].Next = verdict.Fail, "This is a fault of embedgate: it let known-bad evidence through. Publish nothing that it judged, and report it with this output."
	return v
}

func TestVerdictsAreShown(t *testing.T) {
	for name, c := range map[string]struct {
		verdict verdict.Verdict
		release *report.Release
		color   bool
	}{
		"pass":             {passing(), &report.Release{Dir: "dist", Digest: "ab"}, false},
		"pass-again":       {passing(), &report.Release{Dir: "dist", Digest: "ab", Existed: true}, false},
		"pass-color":       {passing(), nil, true},
		"fail":             {failing(), nil, false},
		"fail-color":       {failing(), nil, true},
		"inconclusive":     {inconclusive(), nil, false},
		"broken-self-test": {broken(), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, report.Tables(&b, c.verdict, c.release, report.Options{Color: c.color}))
			require.Equal(t, c.color, strings.Contains(b.String(), "\x1b["))
			narrow(t, b.String())
			golden(t, name+".txt", b.Bytes())
		})
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9]+m")

func narrow(t *testing.T, s string) {
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(escape.ReplaceAllString(line, ""), "\n")
		require.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
	}
}

func TestColorChangesNothingElse(t *testing.T) {
	var plain, color bytes.Buffer
	require.NoError(t, report.Tables(&plain, failing(), nil, report.Options{}))
	require.NoError(t, report.Tables(&color, failing(), nil, report.Options{Color: true}))
	require.Equal(t, plain.String(), escape.ReplaceAllString(color.String(), ""))
}

func TestOfWhatWasNotMeasuredOnlyTheReasonIsTold(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, report.Tables(&b, passing(), nil, report.Options{}))
	require.NotContains(t, b.String(), "Checks of coreml")
	require.NotContains(t, b.String(), "Never told")
	require.Equal(t, 1, strings.Count(b.String(), "why:  CoreML is on macOS only"))
}

func TestWhatDidNotPassSaysWhyAndWhatThatMeans(t *testing.T) {
	for required, want := range map[bool]string{
		false: "webgpu × fp32: FAIL, not required by this channel: the release goes on without it\n",
		true:  "webgpu × fp32: FAIL, REQUIRED by this channel: the release cannot go on without it\n",
	} {
		v := passing()
		v.Rows[2].Required = required
		for range mostShown {
			v.Rows[2].Findings = append(v.Rows[2].Findings, v.Rows[2].Findings[3])
		}
		var b bytes.Buffer
		require.NoError(t, report.Tables(&b, v, nil, report.Options{}))
		require.Contains(t, b.String(), want)
		require.Contains(t, b.String(), "    why:  worth-it, 16 tokens: 0.00222 × as fast as cpu × fp32, wanted ≥ 1 ×\n")
		require.Contains(t, b.String(), "    and 2 more, in its table above\n")
		require.NotContains(t, b.String(), "cpu × fp32: PASS, ")
	}
}

func TestVariantsThatLackForOneReasonShareIt(t *testing.T) {
	v := passing()
	i := slices.IndexFunc(v.Rows, func(r verdict.Row) bool { return r.Provider == "coreml" })
	require.Equal(t, verdict.NotMeasured, v.Rows[i].Result)
	second, third := v.Rows[i], v.Rows[i]
	second.Variant, third.Variant = "fp16-static128", "int8"
	third.Findings = slices.Clone(third.Findings)
	for i := range third.Findings {
		third.Findings[i].Next = "Use another Mac."
	}
	v.Rows = slices.Insert(v.Rows, i+1, second, third)
	var b bytes.Buffer
	require.NoError(t, report.Tables(&b, v, nil, report.Options{}))
	require.Contains(t, b.String(), "\ncoreml × fp32, fp16-static128: NOT MEASURED, not required")
	require.Contains(t, b.String(), "\ncoreml × int8: NOT MEASURED, not required")
	require.Equal(t, 2, strings.Count(b.String(), "    why:  CoreML"))
	narrow(t, b.String())
}

const mostShown = 4

func TestAWarningIsToldOnce(t *testing.T) {
	v := passing()
	for _, i := range []int{4, 5} {
		v.Rows[0].Findings[i].Warnings = []string{"the machine was unsteady"}
	}
	var b bytes.Buffer
	require.NoError(t, report.Tables(&b, v, nil, report.Options{}))
	require.Contains(t, b.String(), "warning: latency: 16 tokens p95, latency: 256 tokens p95: the machine was unsteady\n")
	require.Equal(t, 1, strings.Count(b.String(), "unsteady"))
}

func TestForeignTextNeitherSteersATerminalNorWidensATable(t *testing.T) {
	v := failing()
	v.Rows[0].Provider = "cpu\x1b[2Jx"
	f := v.Rows[0].Findings
	f[0].Measured = "\x1b]0;title\a" + strings.Repeat("w", 300) + "\u202e\r\n"
	f[0].Result, f[0].Next = verdict.Fail, "\x1b[2J"
	f[1].Warnings = []string{"\x1b[2J"}
	v.Rows[1].Findings[1].Measured = "a\x1b[2J\nPASS"
	v.Model = "m\x1b[2J"
	var b bytes.Buffer
	require.NoError(t, report.Tables(&b, v, nil, report.Options{}))
	require.NotContains(t, b.String(), "\x1b")
	require.NotContains(t, b.String(), "\u202e")
	require.NotContains(t, b.String(), "\nPASS")
	narrow(t, b.String())
}

func TestJSONHoldsVerdictAndRelease(t *testing.T) {
	for name, r := range map[string]*report.Release{"pass": {Dir: "dist", Digest: "ab"}, "unpublished": nil} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, report.JSON(&b, passing(), r))
			golden(t, name+".json", b.Bytes())
			var back struct {
				Verdict verdict.Verdict
				Release *report.Release
			}
			require.NoError(t, json.Unmarshal(b.Bytes(), &back))
			require.Equal(t, passing(), back.Verdict)
			require.Equal(t, r, back.Release)
		})
	}
}

type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func TestAFullDiskIsTold(t *testing.T) {
	for _, room := range []int{0, 500, 2000, 4000} {
		require.ErrorContains(t, report.Tables(&full{room}, failing(), nil, report.Options{}), "no space left")
	}
	require.ErrorContains(t, report.JSON(&full{}, failing(), nil), "no space left")
}

func TestRowsOfOtherProcessorsAreToldTogether(t *testing.T) {
	absent := func(variant, cpu string) verdict.Row {
		return verdict.Row{Provider: "cpu", Variant: variant, CPU: cpu, Result: verdict.NotMeasured,
			Findings: []verdict.Finding{{Check: "integrity", Result: verdict.NotMeasured, Measured: "no evidence", Next: "Measure it."}}}
	}
	passed := verdict.Row{Provider: "cpu", Variant: "fp32", CPU: "arm64", Result: verdict.Pass,
		Emulation: &evidence.Emulation{Emulator: "qemu-aarch64", Version: "7.2", Model: "neoverse-n1", Host: "amd64"},
		Findings:  []verdict.Finding{{Check: "portability", Result: verdict.Pass}}}
	var b strings.Builder
	require.NoError(t, report.Tables(&b, verdict.Verdict{Result: verdict.Pass, Rows: []verdict.Row{
		passed, absent("fp32", "x86-64-v2"), absent("int8", "x86-64-v2"), absent("fp32", "x86-64-v3"), absent("int8", "x86-64-v3"),
	}}, nil, report.Options{}))
	require.Contains(t, b.String(), "cpu as x86-64-v2, x86-64-v3 × fp32, int8: NOT MEASURED")
	require.Equal(t, 1, strings.Count(b.String(), "Measure it."))
	require.Contains(t, b.String(), "neoverse-n1, emulated")
	require.Contains(t, b.String(), "Checks of cpu as arm64 × fp32")
}
