package onnxfile_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

func TestInitializersThatAreInputsAreDefaults(t *testing.T) {
	g := onnxedit.Graph{
		Inputs: []onnxedit.Value{
			{Name: "x", Type: 1, Shape: []string{"1", "16", "8"}},
			{Name: "w", Type: 1, Shape: []string{"8", "8"}}, {Name: "shape", Type: 7, Shape: []string{"3"}},
		},
		Outputs:      []onnxedit.Value{{Name: "y", Type: 1}},
		Initializers: []onnxedit.Tensor{onnxedit.Zeros("w", 8, 8), onnxedit.Int64s("shape", 0, 0, 8)},
		Nodes: []onnxedit.Node{
			{Name: "r", Op: "Reshape", In: []string{"x", "shape"}, Out: []string{"r"}},
			{Name: "n", Op: "MatMul", In: []string{"r", "w"}, Out: []string{"y"}},
		},
	}
	for _, ir := range []uint64{3, 10} {
		g.IR = ir
		m := parse(t, g)
		require.NoError(t, onnxfile.Check(m))
		require.Len(t, m.Inputs, 1, "what a caller must give")
		assert.Equal(t, "x", m.Inputs[0].Name)
		require.Len(t, m.Defaults, 2)
		costs, err := m.Costs(1, 16)
		require.NoError(t, err)
		assert.Equal(t, 2.0*16*8*8, costs["n"], "by the values that hold where nobody gives others")
	}
}

func TestTypesOfLessThanAByteArePacked(t *testing.T) {
	with := func(x onnxedit.Tensor) error {
		_, err := onnxfile.Read(write(t, onnxedit.Model{Initializers: []onnxedit.Tensor{x}}.Bytes()))
		return err
	}
	for typ, per := range map[int32]int{21: 2, 22: 2, 23: 2, 25: 4, 26: 4, 17: 1, 20: 1} {
		bytes := (7 + per - 1) / per
		require.NoError(t, with(onnxedit.Tensor{Name: "w", Type: typ, Dims: []int64{7}, Raw: make([]byte, bytes)}), "type %d", typ)
		require.ErrorContains(t, with(onnxedit.Tensor{Name: "w", Type: typ, Dims: []int64{7}, Raw: make([]byte, bytes+1)}), `tensor "w": got`, "type %d", typ)
		x := onnxfile.Initializer{Type: typ, Dims: []int64{7}}
		assert.Equal(t, int64(bytes), x.Size())
	}
	require.ErrorContains(t, with(onnxedit.Tensor{Name: "w", Type: 14, Dims: []int64{1}, Raw: make([]byte, 8)}), "got data type 14")
}

// As quantisers write 4-bit weights: packed, beside float scales.
func TestWeightsOf4BitsAreCounted(t *testing.T) {
	g := onnxedit.Graph{
		Opset:   21,
		Inputs:  []onnxedit.Value{{Name: "x", Type: 1, Shape: []string{"1", "16", "8"}}},
		Outputs: []onnxedit.Value{{Name: "y", Type: 1}},
		Initializers: []onnxedit.Tensor{
			{Name: "w", Type: 22, Dims: []int64{8, 5}, Raw: make([]byte, 20)}, onnxedit.Zeros("scale", 1, 5),
		},
		Nodes: []onnxedit.Node{
			{Name: "d", Op: "DequantizeLinear", In: []string{"w", "scale"}, Out: []string{"wf"}},
			{Name: "n", Op: "MatMul", In: []string{"x", "wf"}, Out: []string{"y"}},
		},
	}
	m, err := onnxfile.Read(write(t, g.Bytes()))
	require.NoError(t, err)
	costs, err := m.Costs(1, 16)
	require.NoError(t, err)
	assert.Equal(t, 2.0*16*8*5, costs["n"])
}

func TestAFunctionOfTheFileIsRefusedByName(t *testing.T) {
	function := func(domain, name string) []byte {
		return field(25, field(1, []byte(name)), field(10, []byte(domain)), field(7, field(4, []byte("Identity"))))
	}
	for _, c := range []struct{ domain, called string }{{"mine", "mine"}, {"com.microsoft", "com.microsoft"}, {"ai.onnx", ""}} {
		g := graphOf("Twice", c.called, nil, "2 8")
		b := append(g.Bytes(), function(c.domain, "Twice")...)
		_, err := onnxfile.Read(write(t, b))
		require.ErrorContains(t, err, `node "n": got a call of the file's own function Twice`)
		assert.ErrorContains(t, err, "inline_local_functions")
		b = append(graphOf("Gelu", "", nil, "2 8").Bytes(), function(c.domain, "Twice")...)
		_, err = onnxfile.Read(write(t, b))
		require.NoError(t, err, "one that nobody calls")
	}
}

// What ONNX Runtime's optimizer makes of a BERT: onnxruntime#12064.
func TestAnOptimisedEncoderIsCounted(t *testing.T) {
	const ms = "com.microsoft"
	g := onnxedit.Graph{
		MicrosoftOps: true,
		Inputs: []onnxedit.Value{
			{Name: "ids", Type: 7, Shape: []string{"batch", "sequence"}}, {Name: "mask", Type: 7, Shape: []string{"batch", "sequence"}},
		},
		Outputs: []onnxedit.Value{{Name: "norm2", Type: 1}},
		Initializers: []onnxedit.Tensor{
			onnxedit.Zeros("word", 32, 8), onnxedit.Zeros("pos", 16, 8), onnxedit.Zeros("g", 8), onnxedit.Zeros("b", 8),
			onnxedit.Zeros("qkv", 8, 24), onnxedit.Zeros("qkv.b", 24), onnxedit.Zeros("o", 8, 8), onnxedit.Zeros("w1", 8, 16), onnxedit.Zeros("b1", 16), onnxedit.Zeros("w2", 16, 8),
		},
		Nodes: []onnxedit.Node{
			{Name: "c0", Op: "Cast", In: []string{"ids"}, Out: []string{"ids32"}, Attributes: []onnxedit.Attribute{onnxedit.Int("to", 6)}},
			{Name: "c1", Op: "Cast", In: []string{"mask"}, Out: []string{"mask32"}, Attributes: []onnxedit.Attribute{onnxedit.Int("to", 6)}},
			{Name: "embed", Op: "EmbedLayerNormalization", Domain: ms, In: []string{"ids32", "", "word", "pos", "", "g", "b", "mask32"}, Out: []string{"x", "index"}},
			{Name: "attention", Op: "Attention", Domain: ms, In: []string{"x", "qkv", "qkv.b", "index"}, Out: []string{"a"}, Attributes: []onnxedit.Attribute{onnxedit.Int("num_heads", 2)}},
			{Name: "out", Op: "MatMul", In: []string{"a", "o"}, Out: []string{"ao"}},
			{Name: "norm1", Op: "SkipLayerNormalization", Domain: ms, In: []string{"ao", "x", "g", "b"}, Out: []string{"norm1", "", "", "sum"}},
			{Name: "up", Op: "FusedMatMul", Domain: ms, In: []string{"norm1", "w1"}, Out: []string{"u"}},
			{Name: "gelu", Op: "BiasGelu", Domain: ms, In: []string{"u", "b1"}, Out: []string{"h"}},
			{Name: "fast", Op: "FastGelu", Domain: ms, In: []string{"h"}, Out: []string{"f"}},
			{Name: "down", Op: "MatMul", In: []string{"f", "w2"}, Out: []string{"d"}},
			{Name: "norm2", Op: "SkipSimplifiedLayerNormalization", Domain: ms, In: []string{"d", "sum", "g"}, Out: []string{"norm2"}},
		},
	}
	m, err := onnxfile.Read(write(t, g.Bytes()))
	require.NoError(t, err)
	costs, err := m.Costs(2, 5)
	require.NoError(t, err)
	for node, want := range map[string]float64{
		"attention": 2*2*5*8*24 + 2*2*5*5*(8+8), "out": 2 * 2 * 5 * 8 * 8, "up": 2 * 2 * 5 * 8 * 16, "down": 2 * 2 * 5 * 16 * 8, "embed": 0,
	} {
		assert.Equal(t, want, costs[node], node)
	}
	known := m.Tensors(2, 5)
	assert.Equal(t, onnxfile.Tensor{Type: "float32", Dims: []int64{2, 5, 8}}, known["norm2"])
	assert.Equal(t, onnxfile.Tensor{Type: "int32", Dims: []int64{2}}, known["index"])
}
