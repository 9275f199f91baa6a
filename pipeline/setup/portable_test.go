package setup

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/verdict"
)

// emulated measures a candidate's fp32 on every processor and returns the
// evidence by processor, and by "" that of this machine in the same way. The programs are built here: what a test binary is
// instrumented with does not run under an emulator.
func emulated(t *testing.T, p policy.Policy, g golden.Set, c candidate.Candidate, cpus []providers.CPU) map[string]evidence.Evidence {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("QEMU's user emulation runs on Linux")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	t.Chdir(root)
	program := filepath.Join(t.TempDir(), "go-build", "embedgate")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	sink := progress.Sink(func(e progress.Event) { t.Log(e.Message) })
	o := Options{Executable: []string{program, "measure-child"}, Progress: sink}
	all := map[string]evidence.Evidence{}
	for _, cpu := range cpus {
		if _, err := emulate.Find(t.Context(), cpu); err != nil {
			require.Empty(t, os.Getenv("CI"), "CI installs QEMU and the cross libraries, and may mount: %v", err)
			t.Logf("left out: %v", err)
			continue
		}
		e, err := measure.Run(t.Context(), measure.Options{
			Candidate: c, Policy: p, Golden: g, Provider: "cpu", Variant: "fp32", CPU: cpu.Name,
			Target: Target(o, "cpu"), Libraries: Libraries(o), Executable: o.Executable,
			Out: filepath.Join(t.TempDir(), "evidence"), Progress: sink,
		})
		require.NoError(t, err)
		require.Nil(t, e.NotMeasured, "%+v", e.NotMeasured)
		require.Nil(t, e.Crash, "%+v", e.Crash)
		all[cpu.Name] = e
	}
	all[""], err = measure.Run(t.Context(), measure.Options{
		Candidate: c, Policy: p, Golden: g, Provider: "cpu", Variant: "fp32", CPU: "arm64",
		Target: func(ctx context.Context, _ providers.CPU) (measure.Target, error) {
			lib, err := Libraries(o)(ctx, "cpu")
			return measure.Target{Executable: o.Executable, Library: lib}, err
		},
		Executable: o.Executable,
		Out:        filepath.Join(t.TempDir(), "evidence"), Progress: sink,
	})
	require.NoError(t, err)
	if len(all) == 1 {
		t.Skip("no processor can be emulated here; the reasons are above")
	}
	return all
}

// The same ids give the same vectors, whoever multiplies, and evidence says who
// it was. The shortest and the longest text of each group go through every
// processor: what the kernels do with a length hangs on no word.
func TestATinyModelHasTheSameVectorsOnEveryProcessor(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and emulates: run without -short")
	}
	c := exporttest.TinyCandidate(t)
	g, ok, err := golden.Builtin(exporttest.Model)
	require.NoError(t, err)
	require.True(t, ok)
	g = g.Subset(endsOfEachGroup(g, c.Manifest.Embedding.MaxTokens))
	p := shippedPolicy(t)
	p.Latency.Budgets = p.Latency.Budgets[:1] // the others are longer than its texts may be
	all := emulated(t, p, g, c, providers.CPUs)
	native := all[""]
	for name, e := range all {
		if name == "" {
			continue
		}
		assert.Equal(t, native.Raw.IDs, e.Raw.IDs, name)
		require.Len(t, e.Raw.Primary, len(native.Raw.Primary), name)
		for i, v := range e.Raw.Primary {
			require.InDelta(t, native.Raw.Primary[i], v, 1e-5, "%s, value %d", name, i)
		}
		cpu, _ := providers.LookupCPU(name)
		assert.Equal(t, cpu.Arch, e.Machine.Arch)
		if cpu.Arch != runtime.GOARCH || !cpu.Native {
			require.NotNil(t, e.Emulation, name)
			assert.Equal(t, cpu.Model, e.Emulation.Model)
			assert.NotEmpty(t, e.Emulation.Version)
		}
	}
	if e, ok := all["x86-64-v2"]; ok {
		assert.Equal(t, []string{evidence.SSE41}, e.Machine.InstructionSets)
	}
	if e, ok := all["x86-64-v3"]; ok {
		assert.Equal(t, []string{evidence.SSE41, evidence.AVX2}, e.Machine.InstructionSets)
	}
}

// endsOfEachGroup is the shortest text of each group and its longest one of no
// more tokens than most, or the shortest alone where all are longer.
func endsOfEachGroup(g golden.Set, most int) []int {
	longest := map[string]int{}
	for i, text := range g.Texts {
		n := len(g.IDs[i])
		if have, ok := longest[text.Group]; n <= most && (!ok || n > len(g.IDs[have])) {
			longest[text.Group] = i
		}
	}
	texts := slices.Concat(oneOfEachGroup(g), slices.Collect(maps.Values(longest)))
	slices.Sort(texts)
	return slices.Compact(texts)
}

// oneOfEachGroup is the shortest text of each group.
func oneOfEachGroup(g golden.Set) (texts []int) {
	shortest := map[string]int{}
	for i, text := range g.Texts {
		if have, ok := shortest[text.Group]; !ok || len(g.IDs[i]) < len(g.IDs[have]) {
			shortest[text.Group] = i
		}
	}
	return slices.Sorted(maps.Values(shortest))
}

func shippedPolicy(t *testing.T) policy.Policy {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	return p
}

// One of them only, and the shortest text of each group: an emulated token of this
// model takes 0.2 s of a processor. The tiny model goes through all, and the
// program's own --portability measures the rest.
func TestTheRealModelIsRightOnAnEmulatedProcessor(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates for minutes: run without -short")
	}
	p := shippedPolicy(t)
	g, ok, err := golden.Builtin(exporttest.Model)
	require.NoError(t, err)
	require.True(t, ok)
	g = g.Subset(oneOfEachGroup(g))
	c := exporttest.Candidate(t)
	in := check.Input{Policy: p, Channel: "local", Golden: g, Candidate: c, Graphs: check.ReadGraphs(c, p)}
	v3, ok := providers.LookupCPU("x86-64-v3")
	require.True(t, ok)
	for cpu, e := range emulated(t, p, g, c, []providers.CPU{v3}) {
		if cpu != "" {
			in.Evidence = append(in.Evidence, e)
		}
	}
	v, err := gate.Gate(in)
	require.NoError(t, err)
	assert.True(t, v.SelfTestPassed())
	judged := 0
	for _, r := range v.Rows {
		if r.CPU == "" || r.Variant != "fp32" || r.Result == verdict.NotMeasured {
			continue
		}
		judged++
		assert.Equal(t, verdict.Pass, r.Result, "%s: %v", r.On(), r.Why())
		if r.Parity != nil {
			t.Logf("%s: %d texts, min cosine %.9f, max abs %.1e, %v", r.On(), r.Parity.Texts, r.Parity.MinCosine, r.Parity.MaxAbs, r.Machine)
		}
	}
	assert.Equal(t, len(in.Evidence), judged)
}
