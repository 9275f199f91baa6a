package infer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// Costs returns the floating-point operations of one run by node name, for a
// batch of rows texts of cols tokens each. An axis that the graph fixes stays
// as it is, whatever rows and cols say. Nodes without a name are under their
// Label, nodes of the same name are summed.
//
// Only products of matrices count, a multiplication and an addition as two:
// MatMul and its kinds, Gemm, Conv, attention. They are all but a percent or two
// of an embedding model, and the figure does not move when an exporter or a
// runtime writes an activation as one node or five. Everything else is 0.
//
// It is an error, naming the node, where a product's shape cannot be inferred
// or its operator has no formula here: no node's cost is ever a guess.
func Costs(m onnxfile.Model, rows, cols int) (map[string]float64, error) {
	each, err := NodeCosts(m, rows, cols)
	if err != nil {
		return nil, err
	}
	costs := make(map[string]float64, len(each))
	for i, n := range m.Nodes {
		if !n.Inner {
			costs[n.Label()] += each[i]
		}
	}
	return costs, nil
}

// NodeCosts is Costs by index into Nodes.
func NodeCosts(m onnxfile.Model, rows, cols int) ([]float64, error) {
	if rows < 1 || cols < 1 {
		return nil, fmt.Errorf("got %d rows of %d tokens, wanted at least one of each", rows, cols)
	}
	known := Tensors(m, rows, cols)
	costs := make([]float64, len(m.Nodes))
	for i, n := range m.Nodes {
		f, priced := formulas[n.Kind()]
		switch {
		case priced && n.Inner:
			return nil, fmt.Errorf("node %q: got %s in a subgraph or function, wanted it in the graph itself: how often it runs is not in the file", n.Label(), n.Op)
		case n.Inner:
			continue
		case unpriced[n.Kind()]:
			return nil, fmt.Errorf("node %q: got operator %s, wanted one whose arithmetic embedgate can count", n.Label(), n.Kind())
		case !priced || Folded(n, known):
			continue
		}
		c := call{n, known, m.Opsets[""]}
		cost, ok := f(c)
		if !ok {
			return nil, fmt.Errorf("node %q: got %s of inputs whose shapes the file does not say and its operators' rules do not give (%s), wanted known shapes", n.Label(), n.Kind(), c.shapes())
		}
		costs[i] = cost
	}
	return costs, nil
}

type formula func(c call) (flops float64, ok bool)

var formulas = map[string]formula{
	"MatMul": productCost(0, 1), "MatMulInteger": productCost(0, 1), "QLinearMatMul": productCost(0, 3), "Gemm": productCost(0, 1),
	"com.microsoft:FusedMatMul": productCost(0, 1), "com.microsoft:TransposeMatMul": productCost(0, 1), "com.microsoft:FusedGemm": productCost(0, 1),
	"com.microsoft:GemmFastGelu": productCost(0, 1), "com.microsoft:QGemm": productCost(0, 3), "com.microsoft:DynamicQuantizeMatMul": productCost(0, 1),
	"com.microsoft:MatMulIntegerToFloat": productCost(0, 1), "com.microsoft:MatMulNBits": nBitsCost,
	"Conv": convCost(1), "ConvInteger": convCost(1), "QLinearConv": convCost(3), "com.microsoft:FusedConv": convCost(1),
	"Attention": standardCost, "com.microsoft:Attention": packedCost(4), "com.microsoft:QAttention": packedCost(8), "com.microsoft:MultiHeadAttention": multiHeadCost,
}

// unpriced are operators that multiply matrices in ways that have no formula
// here.
var unpriced = map[string]bool{
	"Einsum": true, "LSTM": true, "GRU": true, "RNN": true, "ConvTranspose": true, "DeformConv": true,
	"com.microsoft:GroupQueryAttention": true, "com.microsoft:PackedAttention": true, "com.microsoft:PackedMultiHeadAttention": true,
	"com.microsoft:DecoderAttention": true, "com.microsoft:DecoderMaskedMultiHeadAttention": true, "com.microsoft:LongformerAttention": true,
	"com.microsoft:SparseAttention": true, "com.microsoft:MatMulBnb4": true, "com.microsoft:GemmFloat8": true,
	"com.microsoft:DynamicQuantizeLSTM": true, "com.microsoft:MatMulFpQ4": true, "com.microsoft:QOrderedMatMul": true, "com.microsoft:MoE": true, "com.microsoft:QMoE": true,
}

// maxFlops is more than any run computes: sizes that give more are wrong.
const maxFlops = 1e30

// flops is 2 × the product of sizes.
func flops(sizes ...int64) (float64, bool) {
	f := 2.0
	for _, s := range sizes {
		if s < 0 || f > maxFlops { // Unknown is below 0
			return 0, false
		}
		f *= float64(s)
	}
	return f, f <= maxFlops
}

func productCost(a, b int) formula {
	return func(c call) (float64, bool) {
		p, ok := matrices(c, a, b)
		if !ok {
			return 0, false
		}
		return flops(append(p.batch, p.m, p.k, p.n)...)
	}
}

func nBitsCost(c call) (float64, bool) {
	d := c.in(0).Dims
	if len(d) == 0 {
		return 0, false
	}
	return flops(append(nBits(c)[0].Dims, sizeOrUnknown(c.Int("K", -1)))...)
}

// convCost is 2 × the output's elements × what is summed for each, where the
// weights are input w: output channels × input channels of a group × kernel.
func convCost(w int) formula {
	return func(c call) (float64, bool) {
		weights := c.in(w).Dims
		if len(weights) < 3 || len(c.Outputs) == 0 || c.known[c.Outputs[0]].Dims == nil {
			return 0, false
		}
		return flops(append(append([]int64{}, c.known[c.Outputs[0]].Dims...), weights[1:]...)...)
	}
}

// cost is queries by keys, and weights by values.
func (h heads) cost() (float64, bool) {
	return flops(h.batch, h.heads, h.queries, h.keys, add(h.size, h.valueSize))
}

func standardCost(c call) (float64, bool) {
	h, ok := standardHeads(c)
	if !ok {
		return 0, false
	}
	return h.cost()
}

// packedCost is of attention that projects its one input itself. past is the
// input that brings keys of earlier runs, of 2 × batch × heads × keys × size.
func packedCost(past int) formula {
	return func(c call) (float64, bool) {
		x, w := c.in(0).Dims, c.in(1).Dims
		if len(x) != 3 || len(w) != 2 {
			return 0, false
		}
		keys := x[1]
		if c.hasInput(past) {
			p := c.in(past).Dims
			if len(p) != 5 {
				return 0, false
			}
			keys = add(keys, p[3])
		}
		s := packedSizes(c, w[1])
		projection, ok := flops(x[0], x[1], w[0], w[1])
		rest, ok2 := heads{x[0], 1, x[1], keys, s[0], s[2]}.cost()
		return projection + rest, ok && ok2
	}
}

func multiHeadCost(c call) (float64, bool) {
	h, ok := multiHeads(c)
	if !ok || c.hasInput(6) {
		return 0, false
	}
	return h.cost()
}

// shapes is what is known of a node's first inputs, for an error.
func (c call) shapes() string {
	var s []string
	for i, name := range c.Inputs[:min(len(c.Inputs), 5)] {
		s = append(s, fmt.Sprintf("%q: %s", name, ShapeText(c.in(i).Dims)))
	}
	return strings.Join(s, ", ")
}

// ShapeText renders sizes as "[1, ?, 384]", or "unknown".
func ShapeText(dims []int64) string {
	if dims == nil {
		return "unknown"
	}
	s := make([]string, len(dims))
	for i, d := range dims {
		if s[i] = "?"; d != Unknown {
			s[i] = strconv.FormatInt(d, 10)
		}
	}
	return "[" + strings.Join(s, ", ") + "]"
}
