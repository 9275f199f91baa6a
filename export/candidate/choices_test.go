package candidate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
)

func TestChoicesThatTheGraphDoesNotHaveAreRefused(t *testing.T) {
	const float32Type, int8Type = 1, 3
	file := func() onnxfile.Model {
		return onnxfile.Model{
			Nodes: []onnxfile.Node{
				{Op: "Gather", Inputs: []string{"word.q", "input_ids"}},
				{Op: "MatMulInteger", Inputs: []string{"x", "w1.q", "zero", "w1.zero"}},
				{Op: "MatMul", Inputs: []string{"y", "w1.outliers"}},
			},
			Initializers: []onnxfile.Initializer{
				{Name: "word.q", Type: int8Type, Dims: []int64{9, 4}}, {Name: "w1.q", Type: int8Type, Dims: []int64{4, 6}},
				{Name: "w1.outliers", Type: float32Type, Dims: []int64{4, 2}}, {Name: "w1.zero", Type: int8Type, Dims: []int64{6}},
			},
		}
	}
	choices := func() []Choice {
		return []Choice{{Weight: "word", Form: FormRows}, {Weight: "w1", Form: FormInt8, Outliers: []int{3, 7}}}
	}
	require.NoError(t, choicesAgree(choices(), file()))
	require.NoError(t, choicesAgree(nil, file()), "a manifest may tell nothing")
	for name, c := range map[string]struct {
		spoil func(c []Choice, m *onnxfile.Model) []Choice
		want  string
	}{
		"a weight in float32":        {func(c []Choice, m *onnxfile.Model) []Choice { m.Initializers[1].Type = float32Type; return c }, `no matrix "w1.q" of int8`},
		"a weight that is missing":   {func(c []Choice, _ *onnxfile.Model) []Choice { return append(c, Choice{Weight: "w2", Form: FormInt8}) }, `no matrix "w2.q"`},
		"another form":               {func(c []Choice, _ *onnxfile.Model) []Choice { c[1].Form = FormRows; return c }, `used as "int8", wanted form "int8-rows"`},
		"a weight told twice":        {func(c []Choice, _ *onnxfile.Model) []Choice { return append(c, c[1]) }, "twice"},
		"other units":                {func(c []Choice, _ *onnxfile.Model) []Choice { c[1].Outliers = []int{1, 2, 3}; return c }, `beside "w1", wanted 3`},
		"units that nobody told":     {func(c []Choice, _ *onnxfile.Model) []Choice { c[1].Outliers = nil; return c }, `beside "w1", wanted 0`},
		"a product that nobody told": {func(c []Choice, _ *onnxfile.Model) []Choice { return c[:1] }, `"w1.q" multiplied as 8-bit integers`},
	} {
		m := file()
		assert.ErrorContains(t, choicesAgree(c.spoil(choices(), &m), m), c.want, name)
	}
}
