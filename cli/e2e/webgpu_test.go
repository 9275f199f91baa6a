package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/validate/verdict"
)

// acceleratedPolicy is of a model that runs on the CPU and on WebGPU, where it
// is right, in its place, and far too slow: the GPU is software. That shows in
// few samples and rounds. Verbs: name, source, pins.
const acceleratedPolicy = `schema: 2
release: {version: 1.0.0}
model:
  name: %s
  source: %s
  golden: golden
  files:
%svariants:
  fp32: {precision: fp32}
parity:
  fp32: {min_cosine: 0.999999, max_abs: 5e-6, norm: 5e-6, rank: {top_k: 2, agreement: 0.99, spearman: 0.999}}
  fp32-gpu: {min_cosine: 0.9999, max_abs: 1e-4, norm: 1e-4}
invariance:
  fp32: {max_abs: 5e-6}
  fp32-gpu: {max_abs: 1e-4}
latency:
  launches: 1
  samples: 15
  sampling_timeout: 4s
  budgets:
    - {tokens: 16, batch: 1, percentile: 95, budget: 1h, confidence: 0.5, precisions: [fp32]}
    - {tokens: 16, batch: 1, percentile: 95, budget: 1ms, confidence: 0.5, precisions: [fp32-gpu]}
cold_start: {budget: 300s}
memory: {budget: 4GiB}
providers:
  cpu: {variants: [fp32], placement: {min_flops: 1, allowed_fallback: []}}
  webgpu:
    variants: [fp32]
    effective_precision: {fp32: fp32-gpu}
    placement: {min_flops: 0.99, allowed_fallback: [Cast, Shape]}
worth_it: {provider: cpu, variant: fp32, tokens: [16], rounds: 2, samples: 3, speedup: 1.2, confidence: 0.7}
channels:
  local: {require: [cpu]}
  fast: {require: [cpu, webgpu]}
`

// worthIt is the policy's comparison, which some scripts do without.
var worthIt = regexp.MustCompile("(?m)^worth_it: .*\n")

func TestCommandsOnWebGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("runs models on a software GPU: run without -short")
	}
	t.Parallel()
	webgpu := needWebGPU(t)
	// Of one layer: each operator is there, and a software GPU takes a second
	// to compile a kernel, in every process anew.
	o := exporttest.TinyOptions{Hidden: 32, Heads: 4, Intermediate: 64, Layers: 1}
	src, files := exporttest.TinyModel(t, o)
	policy := accelerated("tiny-bert", "dir:"+src, files)
	w := tiny{dir: t.TempDir(), env: os.Environ()}
	write(t, filepath.Join(w.dir, "policy.yaml"), policy)
	write(t, filepath.Join(w.dir, "texts.jsonl"), tinyTexts)
	w.goldenOf(t, "policy.yaml", src)
	python, lib := exporttest.Python(t), exporttest.OrtLib(t)
	scripts(t, "testdata/webgpu", func(e *testscript.Env) error {
		e.Setenv("EMBEDGATE_PYTHON", python)
		e.Setenv("CPU_LIB", lib)
		for _, v := range webgpu.Env { // named, a software GPU is measured without asking twice
			name, value, _ := strings.Cut(v, "=")
			e.Setenv(name, value)
		}
		for name, text := range map[string]string{"policy.yaml": policy, "quick.yaml": worthIt.ReplaceAllString(policy, "")} {
			if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o666); err != nil {
				return err
			}
		}
		return os.CopyFS(filepath.Join(e.WorkDir, "golden"), os.DirFS(filepath.Join(w.dir, "golden")))
	})
}

func accelerated(name, source string, files map[string]string) string {
	pins := ""
	for _, f := range slices.Sorted(maps.Keys(files)) {
		pins += fmt.Sprintf("    %s: %s\n", f, files[f])
	}
	return fmt.Sprintf(acceleratedPolicy, name, source, pins)
}

// needWebGPU skips where this machine has no WebGPU, and says what is missing.
// In CI nothing may be missing.
func needWebGPU(t *testing.T) providers.Library {
	t.Helper()
	e, ok := providers.Lookup("webgpu")
	require.True(t, ok)
	lib, err := library.Find(t.Context(), e, library.Options{})
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("no WebGPU here: %v", err)
	}
	require.NoError(t, err)
	return lib
}

// judged DIR PROVIDER CHECK RESULT [TEXT]: what the verdict of a report says of
// a provider's check. With PASS, each of the check's findings must be one, or
// REPORTED, and at least one a PASS; with another result, one of them must be
// it. With TEXT that is asked of the findings that hold it, or whose next step
// does.
func judged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: judged DIR PROVIDER CHECK RESULT [TEXT]")
	}
	v, err := verdict.Read(filepath.Join(ts.MkAbs(args[0]), "verdict.json"))
	ts.Check(err)
	if err := verdictSays(v, args[1], args[2], verdict.Result(args[3]), strings.Join(args[4:], " ")); err != nil {
		ts.Fatalf("%v", err)
	}
}

func verdictSays(v verdict.Verdict, provider, check string, want verdict.Result, text string) error {
	said := ""
	count := map[verdict.Result]int{}
	for _, r := range v.Rows {
		for _, f := range r.Findings {
			line := fmt.Sprintf("%s %s: %s (wanted %s); %s", f.Result, f.Item, f.Measured, f.Threshold, f.Next)
			if r.Provider == provider && f.Check == check && strings.Contains(line, text) {
				count[f.Result]++
				said += line + "\n"
			}
		}
	}
	others := len(count)
	for _, r := range []verdict.Result{want, verdict.Reported} {
		if count[r] > 0 {
			others--
		}
	}
	switch {
	case said == "":
		return fmt.Errorf("no finding of %s for %s holds %q", check, provider, text)
	case count[want] == 0, want == verdict.Pass && others > 0:
		return fmt.Errorf("%s of %s is not %s:\n%s", check, provider, want, said)
	}
	return nil
}

func TestAPassThatOneFindingRefusesIsNone(t *testing.T) {
	row := func(results ...verdict.Result) (v verdict.Verdict) {
		r := verdict.Row{Provider: "webgpu"}
		for _, f := range results {
			r.Findings = append(r.Findings, verdict.Finding{Check: "parity", Result: f, Item: "text " + string(f)})
		}
		v.Rows = []verdict.Row{r}
		return v
	}
	for name, c := range map[string]struct {
		v    verdict.Verdict
		want verdict.Result
		text string
		ok   bool
	}{
		"all pass":             {row(verdict.Pass, verdict.Pass), verdict.Pass, "", true},
		"one is only reported": {row(verdict.Pass, verdict.Reported), verdict.Pass, "", true},
		"all are reported":     {row(verdict.Reported), verdict.Pass, "", false},
		"a later one fails":    {row(verdict.Pass, verdict.Fail), verdict.Pass, "", false},
		"one is undecided":     {row(verdict.Inconclusive, verdict.Pass), verdict.Pass, "", false},
		"the named one passes": {row(verdict.Pass, verdict.Fail), verdict.Pass, "text PASS", true},
		"one fails, as wanted": {row(verdict.Pass, verdict.Fail), verdict.Fail, "", true},
		"none fails":           {row(verdict.Pass), verdict.Fail, "", false},
		"nothing was judged":   {row(), verdict.Pass, "", false},
		"another was judged":   {row(verdict.Fail), verdict.Fail, "latency", false},
	} {
		err := verdictSays(c.v, "webgpu", "parity", c.want, c.text)
		require.Equal(t, c.ok, err == nil, "%s: %v", name, err)
	}
	require.Error(t, verdictSays(row(verdict.Pass), "cpu", "parity", verdict.Pass, ""), "another provider's")
}

// force POLICY MODEL OP: the policy's webgpu runs every OP of the model on the
// CPU, by the provider's own option.
func forceToCPU(ts *testscript.TestScript, neg bool, args []string) {
	m, err := onnxfile.Read(ts.MkAbs(args[1]))
	ts.Check(err)
	var nodes []string
	for _, n := range m.Nodes {
		if n.Op == args[2] {
			nodes = append(nodes, n.Name)
		}
	}
	if neg || len(nodes) == 0 {
		ts.Fatalf("%s has no %s", args[1], args[2])
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	s := strings.Replace(string(b), "  webgpu:\n", fmt.Sprintf("  webgpu:\n    options: {forceCpuNodeNames: %q}\n", strings.Join(nodes, "\n")), 1)
	ts.Check(os.WriteFile(path, []byte(s), 0o666))
}
