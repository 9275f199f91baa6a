package infer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
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
		costs, err := infer.Costs(m, 1, 16)
		require.NoError(t, err)
		assert.Equal(t, 2.0*16*8*8, costs["n"], "by the values that hold where nobody gives others")
	}
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
	m, err := onnxfile.Read(onnxedit.File(t, g.Bytes()))
	require.NoError(t, err)
	costs, err := infer.Costs(m, 1, 16)
	require.NoError(t, err)
	assert.Equal(t, 2.0*16*8*5, costs["n"])
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
	m, err := onnxfile.Read(onnxedit.File(t, g.Bytes()))
	require.NoError(t, err)
	costs, err := infer.Costs(m, 2, 5)
	require.NoError(t, err)
	for node, want := range map[string]float64{
		"attention": 2*2*5*8*24 + 2*2*5*5*(8+8), "out": 2 * 2 * 5 * 8 * 8, "up": 2 * 2 * 5 * 8 * 16, "down": 2 * 2 * 5 * 16 * 8, "embed": 0,
	} {
		assert.Equal(t, want, costs[node], node)
	}
	known := infer.Tensors(m, 2, 5)
	assert.Equal(t, infer.Tensor{Type: "float32", Dims: []int64{2, 5, 8}}, known["norm2"])
	assert.Equal(t, infer.Tensor{Type: "int32", Dims: []int64{2}}, known["index"])
}
