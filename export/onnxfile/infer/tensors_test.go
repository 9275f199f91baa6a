package infer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

func parse(t testing.TB, g onnxedit.Graph) onnxfile.Model {
	t.Helper()
	m, err := onnxfile.Parse(g.Bytes())
	require.NoError(t, err)
	return m
}

func TestShapesAreInferred(t *testing.T) {
	ints, i := onnxedit.Ints, onnxedit.Int
	for name, c := range map[string]struct {
		op    string
		attrs []onnxedit.Attribute
		in    []string
		want  string
	}{
		"a number each":                        {"Gelu", nil, []string{"2 ? 8"}, "[2, ?, 8]"},
		"operands are stretched":               {"Add", nil, []string{"2 1 8", "16 1"}, "[2, 16, 8]"},
		"a scalar stretches to anything":       {"Mul", nil, []string{"2 16", "-"}, "[2, 16]"},
		"operands that do not fit":             {"Add", nil, []string{"2 3", "2 4"}, "unknown"},
		"an unknown size beside a known one":   {"Add", nil, []string{"? 8", "4 1"}, "[4, 8]"},
		"a product":                            {"MatMul", nil, []string{"3 1 16 8", "2 8 5"}, "[3, 2, 16, 5]"},
		"a product with a vector":              {"MatMul", nil, []string{"16 8", "8"}, "[16]"},
		"a vector by a matrix":                 {"MatMul", nil, []string{"8", "2 8 5"}, "[2, 5]"},
		"a product that does not fit":          {"MatMul", nil, []string{"16 8", "7 5"}, "unknown"},
		"a transposed product":                 {"Gemm", []onnxedit.Attribute{i("transB", 1)}, []string{"16 8", "5 8", "5"}, "[16, 5]"},
		"a reshape that keeps":                 {"Reshape", nil, []string{"2 16 8", "=0 0 4 2"}, "[2, 16, 4, 2]"},
		"a reshape that fills in":              {"Reshape", nil, []string{"2 16 8", "=2 -1"}, "[2, 128]"},
		"a reshape to nothing":                 {"Reshape", []onnxedit.Attribute{i("allowzero", 1)}, []string{"0 4", "=0 2"}, "[0, 2]"},
		"a reshape of an unknown size":         {"Reshape", nil, []string{"? 8", "=-1 2"}, "[?, 2]"},
		"a computed reshape":                   {"Reshape", nil, []string{"2 16", "3"}, "[?, ?, ?]"},
		"a transpose":                          {"Transpose", []onnxedit.Attribute{ints("perm", 0, 2, 1)}, []string{"2 16 8"}, "[2, 8, 16]"},
		"a transpose of all":                   {"Transpose", nil, []string{"2 16 8"}, "[8, 16, 2]"},
		"a transpose to nowhere":               {"Transpose", []onnxedit.Attribute{ints("perm", 0, 9, 1)}, []string{"2 16 8"}, "unknown"},
		"a squeeze":                            {"Squeeze", nil, []string{"1 16 1", "=-1"}, "[1, 16]"},
		"a squeeze of all":                     {"Squeeze", nil, []string{"1 16 1"}, "[16]"},
		"a squeeze of what may be 1":           {"Squeeze", nil, []string{"? 16 1"}, "unknown"},
		"an unsqueeze":                         {"Unsqueeze", nil, []string{"2 16", "=1 -1"}, "[2, 1, 16, 1]"},
		"an unsqueeze of long ago":             {"Unsqueeze", []onnxedit.Attribute{ints("axes", 0)}, []string{"2"}, "[1, 2]"},
		"an unsqueeze out of range":            {"Unsqueeze", nil, []string{"2 16", "=7"}, "unknown"},
		"a concatenation":                      {"Concat", []onnxedit.Attribute{i("axis", -1)}, []string{"2 16", "2 3"}, "[2, 19]"},
		"a split in equal parts":               {"Split", []onnxedit.Attribute{i("axis", 1), i("num_outputs", 3)}, []string{"2 7"}, "[2, 3]"},
		"a split in given parts":               {"Split", []onnxedit.Attribute{i("axis", 1)}, []string{"2 7", "=4 2 1"}, "[2, 4]"},
		"a slice":                              {"Slice", nil, []string{"2 16", "=1", "=9223372036854775807", "=1", "=2"}, "[2, 8]"},
		"a slice from the end":                 {"Slice", nil, []string{"16", "=-4", "=-1"}, "[3]"},
		"a slice to a computed end":            {"Slice", nil, []string{"2 16", "=0", "1", "=1"}, "[2, ?]"},
		"a slice of computed axes":             {"Slice", nil, []string{"2 16", "=0", "=1", "1"}, "[?, ?]"},
		"a lookup":                             {"Gather", nil, []string{"30522 8", "2 16"}, "[2, 16, 8]"},
		"a lookup of one":                      {"Gather", []onnxedit.Attribute{i("axis", 1)}, []string{"2 16 8", "-"}, "[2, 8]"},
		"a lookup by tuples":                   {"GatherND", nil, []string{"2 16 8", "3 5 2"}, "[3, 5, 8]"},
		"a sum that keeps":                     {"ReduceSum", nil, []string{"2 16 8", "=1"}, "[2, 1, 8]"},
		"a sum that drops":                     {"ReduceSum", []onnxedit.Attribute{i("keepdims", 0)}, []string{"2 16 8", "=-1"}, "[2, 16]"},
		"a sum of all":                         {"ReduceMean", []onnxedit.Attribute{i("keepdims", 0)}, []string{"2 16"}, "[]"},
		"a shape":                              {"Shape", []onnxedit.Attribute{i("start", 1)}, []string{"2 16 8"}, "[2]"},
		"a stretch to a given shape":           {"Expand", nil, []string{"1 8", "=4 1"}, "[4, 8]"},
		"a repetition":                         {"Tile", nil, []string{"2 8", "=1 3"}, "[2, 24]"},
		"a row of numbers":                     {"Range", nil, []string{"=0", "=7", "=2"}, "[4]"},
		"a flat matrix":                        {"Flatten", []onnxedit.Attribute{i("axis", 2)}, []string{"2 3 4 5"}, "[6, 20]"},
		"attention side by side":               {"Attention", []onnxedit.Attribute{i("q_num_heads", 4), i("kv_num_heads", 2)}, []string{"2 16 32", "2 20 16", "2 20 12"}, "[2, 16, 24]"},
		"attention with an axis of heads":      {"Attention", nil, []string{"2 4 16 8", "2 4 20 8", "2 4 20 6"}, "[2, 4, 16, 6]"},
		"an operator without a rule":           {"NonZero", nil, []string{"2 16"}, "unknown"},
		"an operator without its inputs":       {"Reshape", nil, nil, "unknown"},
		"more axes than are followed":          {"Reshape", nil, []string{"2", "=1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2"}, "unknown"},
		"axes that are kept for an attribute":  {"LayerNormalization", []onnxedit.Attribute{i("axis", -1)}, []string{"2 16 8", "8", "8"}, "[2, 16, 8]"},
		"a size that overflows":                {"Flatten", nil, []string{"2 4611686018427387904 4"}, "[2, ?]"},
		"a number for each of a shape's":       {"ConstantOfShape", nil, []string{"=2 3"}, "[2, 3]"},
		"a split of an axis that is not there": {"Split", []onnxedit.Attribute{i("axis", 5)}, []string{"2 7"}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, onnxedit.OneNode(c.op, "", c.attrs, c.in...))
			assert.Equal(t, c.want, infer.ShapeText(infer.Tensors(m, 0, 0)["out"].Dims))
		})
	}
}

func TestSymbolsAreBoundByTheInputs(t *testing.T) {
	g := onnxedit.OneNode("NonZero", "", nil, "batch sequence", "? ?")
	g.Values = []onnxedit.Value{{Name: "out", Type: 1, Shape: []string{"12*batch", "sequence", "3"}}}
	m := parse(t, g)
	known := infer.Tensors(m, 2, 16)
	assert.Equal(t, []int64{24, 16, 3}, known["out"].Dims, "what the file states")
	assert.Equal(t, []int64{2, 16}, known["in1"].Dims, "an axis without a symbol goes by its position")
	assert.Equal(t, "[?, ?, 3]", infer.ShapeText(infer.Tensors(m, 0, 0)["out"].Dims))
	g.Values[0].Shape = []string{"batch", "other", "3"}
	m = parse(t, g)
	assert.Equal(t, "[2, ?, 3]", infer.ShapeText(infer.Tensors(m, 2, 16)["out"].Dims))
}

func TestWhatIsConstantIsFolded(t *testing.T) {
	node := func(op, in string) onnxedit.Node {
		return onnxedit.Node{Name: op, Op: op, In: strings.Fields(in), Out: []string{op + "_out"}}
	}
	g := onnxedit.Graph{
		Inputs:       []onnxedit.Value{{Name: "x", Type: 1, Shape: []string{"batch", "8"}}, {Name: "w", Type: 1, Shape: []string{"8", "8"}}, {Name: "fixed", Type: 1, Shape: []string{"2", "8"}}},
		Initializers: []onnxedit.Tensor{onnxedit.Zeros("w", 8, 8), onnxedit.Zeros("v", 8, 8)},
		Nodes: []onnxedit.Node{
			node("Transpose", "v"), node("Neg", "Transpose_out"), node("Shape", "fixed"), node("Size", "x"),
			node("DequantizeLinear", "v"), node("Exp", "w"), node("RandomNormal", ""), node("Add", "x v"),
		},
	}
	folded := func(g onnxedit.Graph) (names []string) {
		m := parse(t, g)
		known := infer.Tensors(m, 0, 0)
		for _, n := range m.Nodes {
			if infer.Folded(n, known) {
				names = append(names, n.Name)
			}
		}
		return names
	}
	assert.Equal(t, []string{"Transpose", "Neg", "Shape"}, folded(g), "w is an input too: the one who runs it may give another")
	g.IR = 3
	assert.Equal(t, []string{"Transpose", "Neg", "Shape", "Exp"}, folded(g), "before IR 4 every initializer was an input too")
}

func TestAttributesAndSmallTensorsAreRead(t *testing.T) {
	inner := onnxedit.Graph{Nodes: []onnxedit.Node{{Name: "within", Op: "MatMul", In: []string{"a", "b"}, Out: []string{"c"}}}, Initializers: []onnxedit.Tensor{onnxedit.Zeros("inner", 2)}}
	value := onnxedit.Int64s("anonymous", 5, -6)
	g := onnxedit.OneNode("If", "", []onnxedit.Attribute{
		onnxedit.Int("int", -3), onnxedit.Ints("ints", 1, -2), onnxedit.Float("float", 0.5), {Name: "text", Text: "none"},
		{Name: "long", Text: strings.Repeat("x", 300)}, onnxedit.Ints("many", make([]int64, 65)...), {Name: "tensor", Tensor: &value}, {Name: "graph", Graph: &inner},
	})
	g.Initializers = []onnxedit.Tensor{onnxedit.Int64s("shape", 0, -1), onnxedit.Int64s("long", make([]int64, 65)...)}
	g.Values = []onnxedit.Value{{Name: "scalar", Type: 7, Shape: []string{}}, {Name: "shapeless", Type: 1}, {Name: "two", Type: 10, Shape: []string{"2", "?"}}}
	m := parse(t, g)
	require.Len(t, m.Nodes, 2)
	assert.True(t, m.Nodes[0].Inner)
	n := m.Nodes[1]
	assert.False(t, n.Inner)
	assert.Equal(t, int64(-3), n.Int("int", 0))
	assert.Equal(t, int64(9), n.Int("absent", 9))
	assert.Equal(t, float32(0.5), n.Float("float", 0))
	get := func(name string) onnxfile.Attribute {
		a, ok := n.Attribute(name)
		require.True(t, ok, name)
		return a
	}
	assert.Equal(t, []int64{1, -2}, get("ints").Ints)
	assert.Equal(t, "none", get("text").Text)
	assert.Equal(t, onnxfile.Attribute{Name: "long", Cut: true}, get("long"))
	assert.Equal(t, onnxfile.Attribute{Name: "many", Cut: true}, get("many"))
	assert.Equal(t, []int64{5, -6}, get("tensor").Tensor.Ints)
	assert.True(t, get("graph").Graph)
	ints, within := map[string][]int64{}, map[string]bool{}
	for _, i := range m.Initializers {
		ints[i.Name], within[i.Name] = i.Ints, i.Inner
	}
	assert.Equal(t, map[string][]int64{"shape": {0, -1}, "long": nil, "anonymous": {5, -6}, "inner": nil}, ints)
	assert.Equal(t, map[string]bool{"shape": false, "long": false, "anonymous": true, "inner": true}, within)
	assert.Equal(t, []onnxfile.Value{{Name: "scalar", Type: "int64", Shape: []string{}}, {Name: "shapeless", Type: "float32"}, {Name: "two", Type: "float16", Shape: []string{"2", "?"}}}, m.Values)
	require.NotContains(t, infer.Tensors(m, 0, 0), "inner", "a subgraph's names are its own")
}
