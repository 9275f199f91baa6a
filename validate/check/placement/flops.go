package placement

import (
	"strings"

	"github.com/embedgate/embedgate/providers"
)

// flopsOf returns the FLOPs of one execution of a node, from the shapes that
// the runtime recorded: a multiplication and an addition count as two. Only
// products of matrices count, as in the graph's own costs; any other operator
// has 0. ok is false where a product's shapes are missing.
//
// A runtime does not record weights that it has packed. The formulas therefore
// use the first input and the output where they can.
func flopsOf(e providers.NodeEvent) (flops float64, ok bool) {
	f, product := products[e.Op]
	if !product {
		return 0, true
	}
	return f(e)
}

var products = map[string]func(providers.NodeEvent) (float64, bool){
	"MatMul": matrixProduct, "FusedMatMul": matrixProduct, "TransposeMatMul": matrixProduct, "FusedMatMulActivation": matrixProduct,
	"Gemm": matrixProduct, "FusedGemm": matrixProduct, "QGemm": matrixProduct, "GemmFastGelu": matrixProduct,
	"MatMulInteger": matrixProduct, "MatMulInteger16": matrixProduct, "MatMulIntegerToFloat": matrixProduct, "DynamicQuantizeMatMul": matrixProduct,
	"QLinearMatMul": matrixProduct, "MatMulNBits": matrixProduct, "MatMulBnb4": matrixProduct, "MatMulFpQ4": matrixProduct,
	"Attention": attention, "QAttention": attention, "MultiHeadAttention": attention, "GroupQueryAttention": attention,
	"Conv": convolution(1), "FusedConv": convolution(1), "NhwcConv": convolution(1), "NhwcFusedConv": convolution(1),
	"ConvInteger": convolution(1), "QLinearConv": convolution(3),
}

// matrixProduct returns 2 × the output's elements × K, the number of products
// in each sum. A matrix of the first input, transposed or not, has M × K
// elements, and M is the output's last axis but one.
func matrixProduct(e providers.NodeEvent) (float64, bool) {
	if len(e.Inputs) == 0 || len(e.Outputs) == 0 {
		return 0, false
	}
	a, out := e.Inputs[0], e.Outputs[0]
	switch {
	case len(a) == 0:
		return 0, false
	case len(a) == 1 || len(out) < 2:
		return 2 * elements(out) * float64(a[len(a)-1]), true
	case out[len(out)-2] == 0:
		return 0, elements(out) == 0
	}
	k := float64(a[len(a)-1]) * float64(a[len(a)-2]) / float64(out[len(out)-2])
	return 2 * elements(out) * k, true
}

// attention returns the FLOPs of queries × keys and of weights × values, and of
// the projection where the operator does it itself. ONNX and its runtime have
// operators of the same name, which differ in the second input: it is the keys,
// with the rank of the queries, or the weights, which are one matrix or packed.
func attention(e providers.NodeEvent) (float64, bool) {
	if len(e.Inputs) == 0 || len(e.Outputs) == 0 {
		return 0, false
	}
	q, out := e.Inputs[0], e.Outputs[0]
	if len(q) < 3 || len(out) < 3 {
		return 0, false
	}
	if len(e.Inputs) > 1 && len(e.Inputs[1]) == len(q) {
		keys := e.Inputs[1]
		return 2 * float64(keys[len(keys)-2]) * (elements(q) + elements(out)), true
	}
	if len(q) != 3 || e.Op == "MultiHeadAttention" || e.Op == "GroupQueryAttention" {
		return 0, false // queries, keys and values are packed, and the shapes do not say how
	}
	width := 3 * float64(out[2])
	if len(e.Inputs) > 1 && len(e.Inputs[1]) == 2 {
		width = float64(e.Inputs[1][1])
	}
	return 2*elements(q)*width + 4*float64(q[1])*elements(out), true
}

func convolution(weights int) func(providers.NodeEvent) (float64, bool) {
	return func(e providers.NodeEvent) (float64, bool) {
		if len(e.Inputs) <= weights || len(e.Outputs) == 0 || len(e.Inputs[weights]) < 3 {
			return 0, false
		}
		return 2 * elements(e.Outputs[0]) * elements(e.Inputs[weights][1:]), true
	}
}

func elements(dims []int64) float64 {
	n := 1.0
	for _, d := range dims {
		n *= float64(d)
	}
	return n
}

// compiled reports whether an event is a subgraph that its provider compiled.
// The runtime generates the operator of such a node, with a number after a
// separator; the names of real operators contain no separator.
func compiled(e providers.NodeEvent) bool { return strings.ContainsAny(e.Op, "_-.:/") }
