package infer

import (
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// rule computes an operator's outputs from its inputs. What it leaves out is
// unknown.
type rule func(c call) []Tensor

// call is one node with what is known of its inputs.
type call struct {
	onnxfile.Node
	known map[string]Tensor
	opset int64
}

// in is what is known of an input; nothing of one that is left out.
func (c call) in(i int) Tensor {
	if i < 0 || i >= len(c.Inputs) || c.Inputs[i] == "" {
		return Tensor{}
	}
	return c.known[c.Inputs[i]]
}

// hasInput reports whether input i is present.
func (c call) hasInput(i int) bool { return i < len(c.Inputs) && c.Inputs[i] != "" }

// ints are the integers of input i or, where the operator's older versions had
// an attribute, of that.
func (c call) ints(i int, attribute string) ([]int64, bool) {
	if c.hasInput(i) {
		t := c.in(i)
		return t.Values, t.allKnown()
	}
	a, ok := c.Attribute(attribute)
	return a.Ints, ok && !a.Cut
}

// inferNode is what the operator's rule makes of a node's inputs.
func inferNode(n onnxfile.Node, known map[string]Tensor, opset int64) []Tensor {
	r, ok := rules[n.Kind()]
	if !ok {
		return nil
	}
	return r(call{n, known, opset})
}

var rules = map[string]rule{
	"Constant": constant, "ConstantOfShape": constantOfShape, "Range": rangeOf, "Shape": shapeOf, "Size": sizeOf,
	"Identity": identity, "Cast": cast, "CastLike": castLike, "Where": where, "Expand": expand, "Tile": tile,
	"Reshape": reshape, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Flatten": flatten,
	"Concat": concat, "Split": split, "Slice": slice, "Gather": gather, "GatherND": gatherND, "GatherElements": gatherElements,
	"MatMul": product(0, 1, ""), "MatMulInteger": product(0, 1, "int32"), "QLinearMatMul": product(0, 3, ""), "Gemm": gemm,
	"com.microsoft:FusedMatMul": product(0, 1, ""), "com.microsoft:DynamicQuantizeMatMul": product(0, 1, "float32"),
	"com.microsoft:MatMulIntegerToFloat": product(0, 1, "float32"), "com.microsoft:MatMulNBits": nBits,
	"IsNaN": booleans, "IsInf": booleans, "Not": booleans,
	"DynamicQuantizeLinear": dynamicQuantize, "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
	"Attention": attention, "com.microsoft:MultiHeadAttention": multiHead, "com.microsoft:Attention": packedAttention, "com.microsoft:QAttention": packedAttention,
	"com.microsoft:SkipLayerNormalization": skipNorm, "com.microsoft:SkipSimplifiedLayerNormalization": skipNorm,
	"com.microsoft:EmbedLayerNormalization": embedNorm, "com.microsoft:QEmbedLayerNormalization": embedNorm,
	"com.microsoft:TransposeMatMul": product(0, 1, ""), "com.microsoft:GemmFastGelu": product(0, 1, ""),
	"com.microsoft:FusedGemm": gemm, "com.microsoft:QGemm": quantisedGemm,
	"com.microsoft:QLinearAdd": quantisedPair, "com.microsoft:QLinearMul": quantisedPair,
	"com.microsoft:QuantizeLinear": quantize, "com.microsoft:DequantizeLinear": dequantize,
}

func init() {
	for names, r := range map[string]rule{
		"Abs Neg Exp Log Sqrt Reciprocal Erf Sin Cos Tanh Sigmoid Relu LeakyRelu Elu Gelu Softplus HardSigmoid Clip Round Floor Ceil " +
			"Sign Softmax LogSoftmax LayerNormalization RMSNormalization Dropout CumSum Trilu ScatterND ScatterElements PRelu " +
			"com.microsoft:Gelu com.microsoft:FastGelu com.microsoft:BiasGelu com.microsoft:QuickGelu com.microsoft:BiasAdd " +
			"com.microsoft:BiasSoftmax com.microsoft:RotaryEmbedding com.microsoft:QLinearSigmoid com.microsoft:QLinearSoftmax " +
			"com.microsoft:QLinearLeakyRelu SimplifiedLayerNormalization": sameAsFirst,
		"Add Sub Mul Div Pow Max Min Mod Sum Mean":                     arithmetic,
		"Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor":     comparison,
		"ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL2": reduce,
	} {
		for name := range strings.FieldsSeq(names) {
			rules[name] = r
		}
	}
}

// oneOutput is the result of an operator with one output.
func oneOutput(typ string, dims []int64) []Tensor { return []Tensor{{Type: typ, Dims: dims}} }

// vector is a row of integers.
func vector(typ string, v []int64) Tensor {
	return Tensor{Type: typ, Dims: []int64{int64(len(v))}, Values: v}
}

func sameAsFirst(c call) []Tensor { return oneOutput(c.in(0).Type, c.in(0).Dims) }

func booleans(c call) []Tensor { return oneOutput("bool", c.in(0).Dims) }

func identity(c call) []Tensor {
	t := c.in(0)
	return []Tensor{{Type: t.Type, Dims: t.Dims, Values: t.Values}}
}

// broadcast is the shape of two shapes together, by ONNX's (numpy's) rules;
// nil where it is not known or they do not fit.
func broadcast(a, b []int64) []int64 {
	if a == nil || b == nil {
		return nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, y := range b {
		j := len(a) - len(b) + i
		x := a[j]
		switch {
		case x == y || y == 1:
		case x == 1:
			out[j] = y
		case x == Unknown:
			out[j] = y // or 1 there: y all the same
		case y == Unknown:
		default:
			return nil
		}
	}
	return out
}

// axis is a possibly negative axis as an index into rank axes.
func axis(a int64, rank int) (int, bool) {
	if a < 0 {
		a = add(a, int64(rank))
	}
	return int(a), a >= 0 && a < int64(rank)
}

// elements is the product of sizes.
func elements(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n = mul(n, d)
	}
	return n
}
