package numbers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// avx2 saturates; vnni does not.
var (
	avx2 = evidence.Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{evidence.SSE41, evidence.AVX2}}
	vnni = evidence.Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{evidence.SSE41, evidence.AVX2, evidence.AVX512, evidence.VNNI}}
)

func withSaturation(in *check.Input, s saturation.Result) {
	g := validatetest.SmallGraph()
	g.Saturation = s
	in.Graphs["fp32"] = g
}

// on replaces the machine of the evidence.
func on(e *evidence.Evidence, m evidence.Machine) {
	e.Machine.OS, e.Machine.Arch, e.Machine.InstructionSets = m.OS, m.Arch, m.InstructionSets
}

func wrong(e *evidence.Evidence) {
	for i := range e.Raw.Primary {
		e.Raw.Primary[i] *= -1
	}
}

func TestAVariantOfOursThatCanSaturateFailsOnEveryMachine(t *testing.T) {
	unknown := good.SafeSaturation()
	unknown.UnknownCount, unknown.Unknown = 1, []string{"n (MatMulInteger): its weights are computed in the graph"}
	for name, c := range map[string]struct {
		s    saturation.Result
		m    evidence.Machine
		want verdict.Result
		says string
	}{
		"safe":                 {good.SafeSaturation(), avx2, verdict.Pass, "safe on every x86 CPU"},
		"one column, on AVX2":  {good.UnsafeSaturation(), avx2, verdict.Fail, "1 of 8 columns can saturate on CPUs without VNNI"},
		"one column, on VNNI":  {good.UnsafeSaturation(), vnni, verdict.Fail, "1 of 8 columns can saturate on CPUs without VNNI"},
		"what cannot be known": {unknown, vnni, verdict.Fail, "its weights are computed in the graph"},
	} {
		row := gatetest.Judged(t, func(in *check.Input, e *evidence.Evidence) {
			withSaturation(in, c.s)
			on(e, c.m)
		})
		f := validatetest.Item(t, row, "saturation", "8-bit products")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.says, name)
		assert.Equal(t, c.want, row.Result, name)
		assert.Equal(t, c.want == verdict.Fail, f.Next != "", name)
	}
}

func TestSaturationDoesNotApplyToAFileOfFloats(t *testing.T) {
	for _, f := range gatetest.Judged(t, func(*check.Input, *evidence.Evidence) {}).Findings {
		assert.NotEqual(t, "saturation", f.Check)
	}
}

func TestAVariantThatCanSaturateFailsWithoutEvidence(t *testing.T) {
	in := validatetest.SmallInput(t)
	withSaturation(&in, good.UnsafeSaturation())
	in.Evidence = nil
	row := validatetest.RowOf(t, gatetest.Gate(t, in), "cpu", "fp32")
	assert.Equal(t, verdict.Fail, row.Result)
	assert.Equal(t, verdict.Fail, validatetest.Item(t, row, "saturation", "8-bit products").Result)
}

// A foreign file fails only where its vectors are shown to be wrong.
func TestAForeignFileThatCanSaturateFailsWhereItIsWrongWithoutVNNI(t *testing.T) {
	for name, c := range map[string]struct {
		m     evidence.Machine
		wrong bool
		want  verdict.Result
	}{
		"right on AVX2":                     {avx2, false, verdict.Reported},
		"wrong on AVX2":                     {avx2, true, verdict.Fail},
		"right on VNNI":                     {vnni, false, verdict.Reported},
		"wrong on VNNI, for another reason": {vnni, true, verdict.Reported},
		"wrong on ARM":                      {evidence.Machine{OS: "linux", Arch: "arm64", InstructionSets: []string{evidence.DotProduct}}, true, verdict.Reported},
		"wrong on SSE4.1 under Linux":       {evidence.Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{evidence.SSE41}}, true, verdict.Reported},
		"wrong on SSE4.1 under Windows":     {evidence.Machine{OS: "windows", Arch: "amd64", InstructionSets: []string{evidence.SSE41}}, true, verdict.Fail},
		"wrong on an unknown processor":     {evidence.Machine{OS: "linux", Arch: "amd64"}, true, verdict.Reported},
	} {
		row := gatetest.Judged(t, func(in *check.Input, e *evidence.Evidence) {
			in.Foreign = true
			withSaturation(in, good.UnsafeSaturation())
			on(e, c.m)
			if c.wrong {
				wrong(e)
			}
		})
		f := validatetest.Item(t, row, "saturation", "8-bit products")
		require.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, "1 of 8 columns can saturate", name)
		parity := validatetest.Item(t, row, "parity", "min cosine")
		assert.Equal(t, c.wrong, parity.Result == verdict.Fail, name)
		if c.want == verdict.Fail {
			assert.Contains(t, parity.Next, "This CPU has no VNNI, and products of 8-bit integers saturate on it: 1 of 8 columns", name)
		} else {
			assert.NotContains(t, parity.Next, "VNNI", name)
		}
	}
}
