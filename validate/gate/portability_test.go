package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// everywhere returns input of a channel that requires other processors, with
// good evidence of each.
func everywhere(t *testing.T) check.Input {
	in := validatetest.SmallInput(t)
	in.Channel = "everywhere"
	for _, cpu := range in.Policy.Providers["cpu"].Portability {
		in.Evidence = append(in.Evidence, portableEvidence(t, in, cpu))
	}
	return in
}

func portableEvidence(t *testing.T, in check.Input, cpu string) evidence.Evidence {
	whole, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	plan := gate.PlanOfRow(in, "cpu", "fp32", cpu)
	r, err := check.NewReferences(whole).Of(plan.Texts)
	require.NoError(t, err)
	e := good.PortableCase(in.Policy, in.Channel, r, "cpu", "fp32", cpu).Evidence
	e.Plan, e.Model = plan, validatetest.ModelOf(in, "fp32")
	e.Candidate, e.Nonce, e.Digest = in.Candidate.Digest, in.Nonce, strings.Repeat("d", 64)
	return e
}

func portableRow(t *testing.T, v verdict.Verdict, cpu string) verdict.Row {
	i := slices.IndexFunc(v.Rows, func(r verdict.Row) bool { return r.CPU == cpu && r.Variant == "fp32" })
	require.GreaterOrEqual(t, i, 0, "%s", cpu)
	return v.Rows[i]
}

func TestAChannelPassesWithItsProcessorsAndNotWithoutOne(t *testing.T) {
	in := everywhere(t)
	v := gatetest.Gate(t, in)
	require.Equal(t, verdict.Pass, v.Result, "%v", v.Missing)
	row := portableRow(t, v, "x86-64-v2")
	assert.True(t, row.Required)
	assert.Equal(t, verdict.Pass, row.Result)
	assert.Equal(t, "Nehalem", row.Emulation.Model)
	checked := map[string]bool{}
	for _, f := range row.Findings {
		checked[f.Check] = true
	}
	assert.Equal(t, map[string]bool{"integrity": true, "tokens": true, "parity": true, "precision": true, "invariance": true, "portability": true}, checked)
	assert.False(t, row.Best, "an emulator has no times")
	names := ""
	for _, f := range v.SelfTest {
		names += f.Item + "\n"
	}
	assert.Contains(t, names, "portability: required evidence that is missing")
	assert.Contains(t, names, "portability: a native run instead of an emulated one")

	in.Evidence = in.Evidence[:2]
	v = gatetest.Gate(t, in)
	assert.Equal(t, verdict.Fail, v.Result)
	assert.Equal(t, []string{"cpu as arm64"}, v.Missing)
	assert.Equal(t, verdict.NotMeasured, portableRow(t, v, "arm64").Result)

	in.Channel = "local"
	assert.Equal(t, verdict.Pass, gatetest.Gate(t, in).Result, "local does not ask for it")
}

func TestEvidenceOfAnotherProcessorIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(e *evidence.Evidence)
	}{
		{"nothing was emulated", "portability/processor", func(e *evidence.Evidence) { e.Emulation = nil }},
		{"a processor with AVX2 emulated", "portability/processor", func(e *evidence.Evidence) { e.Emulation.Model = "Haswell" }},
		{"a program for ARM", "portability/processor", func(e *evidence.Evidence) { e.Machine.Arch = "arm64" }},
		{"AVX2 where there is none", "portability/processor", func(e *evidence.Evidence) { e.Machine.InstructionSets = []string{evidence.SSE41, evidence.AVX2} }},
		{"unknown instruction sets", "portability/processor", func(e *evidence.Evidence) { e.Machine.InstructionSets = nil }},
		{"an emulator without a version", "portability/processor", func(e *evidence.Evidence) { e.Emulation.Version = "" }},
		{"times", "portability/processor", func(e *evidence.Evidence) {
			e.Cold = []evidence.ColdStart{{Launch: 1, LoadNS: 1, FirstNS: 1, FromStartNS: 3}}
		}},
		{"fewer texts", "integrity/plan", func(e *evidence.Evidence) { e.Plan.Texts = e.Plan.Texts[1:] }},
		{"wrong vectors", "parity/min cosine", func(e *evidence.Evidence) {
			for i := range e.Raw.Primary[:e.Raw.Dim] {
				e.Raw.Primary[i] *= float32(i % 2)
			}
		}},
		{"another token", "tokens/ids", func(e *evidence.Evidence) { e.Raw.IDs[3][1]++ }},
		{"a batch with other vectors", "invariance/batch-32", func(e *evidence.Evidence) { e.Raw.Invariance[0].Vecs[0] += 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := everywhere(t)
			require.Equal(t, "x86-64-v2", in.Evidence[1].CPU)
			c.spoil(&in.Evidence[1])
			v := gatetest.Gate(t, in)
			assert.Equal(t, verdict.Fail, v.Result)
			assert.Contains(t, validatetest.Failures(portableRow(t, v, "x86-64-v2")), "FAIL "+c.want)
			assert.Equal(t, verdict.Pass, portableRow(t, v, "arm64").Result)
		})
	}
}

func TestAnARMMachineNeedsNoEmulatorForARM(t *testing.T) {
	in := everywhere(t)
	in.Evidence[2].Emulation = nil
	require.Equal(t, "arm64", in.Evidence[2].CPU)
	v := gatetest.Gate(t, in)
	assert.Equal(t, verdict.Pass, v.Result, "%v", validatetest.Failures(portableRow(t, v, "arm64")))
}

func TestAnEmulatorsEvidenceIsNotTheMachinesOwn(t *testing.T) {
	in := everywhere(t)
	in.Evidence[0].Emulation = in.Evidence[1].Emulation
	assert.Equal(t, verdict.Fail, gatetest.Gate(t, in).Result)
}

func TestAProcessorThatThePolicyDoesNotNameProvesNothing(t *testing.T) {
	in := everywhere(t)
	e := portableEvidence(t, in, "arm64")
	e.CPU = "x86-64-v3"
	in.Evidence = append(in.Evidence, e)
	v := gatetest.Gate(t, in)
	assert.Equal(t, verdict.Pass, v.Result, "it changes nothing")
	assert.Contains(t, validatetest.Failures(portableRow(t, v, "x86-64-v3")), "FAIL portability/processor")
}

func TestAPortabilityPlanHasEveryGroupAndNoTimes(t *testing.T) {
	g, ok, err := golden.Builtin("all-MiniLM-L6-v2")
	require.NoError(t, err)
	require.True(t, ok)
	groups := map[string]int{}
	plan := evidence.PortabilityPlan(g, candidate.Variant{})
	for _, i := range plan.Texts {
		groups[g.Texts[i].Group]++
		assert.LessOrEqual(t, len(g.IDs[i]), 24)
	}
	assert.Len(t, groups, 16)
	assert.GreaterOrEqual(t, len(plan.Texts), 48)
	assert.Less(t, len(plan.Texts), 64)
	assert.Empty(t, plan.Points)
	assert.Zero(t, plan.Launches)
	assert.True(t, slices.IsSorted(plan.Texts))
	for _, i := range evidence.PortabilityPlan(g, validatetest.FixedAt("16")).Texts {
		assert.LessOrEqual(t, len(g.IDs[i]), 16)
	}
}
