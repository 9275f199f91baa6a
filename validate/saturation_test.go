package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// avx2 saturates; vnni does not.
var (
	avx2 = Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{SSE41, AVX2}}
	vnni = Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{SSE41, AVX2, AVX512, VNNI}}
)

func withSaturation(in *Input, s onnxfile.Saturation) {
	g := smallGraph()
	g.Saturation = s
	in.Graphs["fp32"] = g
}

// on puts the evidence on a machine of another processor.
func on(e *Evidence, m Machine) {
	e.Machine.OS, e.Machine.Arch, e.Machine.InstructionSets = m.OS, m.Arch, m.InstructionSets
}

func wrong(e *Evidence) {
	for i := range e.Raw.Primary {
		e.Raw.Primary[i] *= -1
	}
}

func TestAVariantOfOursThatCanSaturateFailsOnEveryMachine(t *testing.T) {
	unknown := withinLimit()
	unknown.Untold, unknown.Unknown = 1, []string{"n (MatMulInteger): its weights are computed in the graph"}
	for name, c := range map[string]struct {
		s    onnxfile.Saturation
		m    Machine
		want Result
		says string
	}{
		"safe":                 {withinLimit(), avx2, Pass, "safe on every x86 CPU"},
		"one column, on AVX2":  {overLimit(), avx2, Fail, "1 of 8 columns can saturate on CPUs without VNNI"},
		"one column, on VNNI":  {overLimit(), vnni, Fail, "1 of 8 columns can saturate on CPUs without VNNI"},
		"what cannot be known": {unknown, vnni, Fail, "its weights are computed in the graph"},
	} {
		row := judged(t, func(in *Input, e *Evidence) {
			withSaturation(in, c.s)
			on(e, c.m)
		})
		f := item(t, row, "saturation", "8-bit products")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.says, name)
		assert.Equal(t, c.want, row.Result, name)
		assert.Equal(t, c.want == Fail, f.Next != "", name)
	}
}

func TestAFileOfFloatsIsNotAskedWhetherItSaturates(t *testing.T) {
	for _, f := range judged(t, func(*Input, *Evidence) {}).Findings {
		assert.NotEqual(t, saturationName, f.Check)
	}
}

func TestAVariantThatCanSaturateFailsWithoutEvidence(t *testing.T) {
	in := smallInput(t)
	withSaturation(&in, overLimit())
	in.Evidence = nil
	row := rowOf(t, gate(t, in), "cpu", "fp32")
	assert.Equal(t, Fail, row.Result)
	assert.Equal(t, Fail, item(t, row, "saturation", "8-bit products").Result)
}

// A foreign file is failed where it is shown to be wrong, and there alone.
func TestAForeignFileThatCanSaturateFailsWhereItIsWrongWithoutVNNI(t *testing.T) {
	for name, c := range map[string]struct {
		m     Machine
		wrong bool
		want  Result
	}{
		"right on AVX2":                       {avx2, false, Reported},
		"wrong on AVX2":                       {avx2, true, Fail},
		"right on VNNI":                       {vnni, false, Reported},
		"wrong on VNNI, for another reason":   {vnni, true, Reported},
		"wrong on ARM":                        {Machine{OS: "linux", Arch: "arm64", InstructionSets: []string{DotProduct}}, true, Reported},
		"wrong on SSE4.1 under Linux":         {Machine{OS: "linux", Arch: "amd64", InstructionSets: []string{SSE41}}, true, Reported},
		"wrong on SSE4.1 under Windows":       {Machine{OS: "windows", Arch: "amd64", InstructionSets: []string{SSE41}}, true, Fail},
		"wrong on a machine that is not told": {Machine{OS: "linux", Arch: "amd64"}, true, Reported},
	} {
		row := judged(t, func(in *Input, e *Evidence) {
			in.Foreign = true
			withSaturation(in, overLimit())
			on(e, c.m)
			if c.wrong {
				wrong(e)
			}
		})
		f := item(t, row, "saturation", "8-bit products")
		require.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, "1 of 8 columns can saturate", name)
		parity := item(t, row, "parity", "min cosine")
		assert.Equal(t, c.wrong, parity.Result == Fail, name)
		if c.want == Fail {
			assert.Contains(t, parity.Next, "This CPU has no VNNI, and products of 8-bit integers saturate on it: 1 of 8 columns", name)
		} else {
			assert.NotContains(t, parity.Next, "VNNI", name)
		}
	}
}
