package saturation

import (
	"fmt"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
)

// An integerProduct says which inputs of an operator are multiplied as 8-bit
// integers.
type integerProduct struct {
	input    int    // the activations; quantised when it runs where that is -1
	weights  []int  // inputs
	anyOrder bool   // the kernel's pairs are not those of the file
	trans    string // attribute that says that the weights are transposed
}

// integerProducts are operators that multiply integers by themselves. Of
// convolutions the runtime reorders the weights, by channels or by positions.
var integerProducts = map[string]integerProduct{
	"MatMulInteger": {weights: []int{1}}, "QLinearMatMul": {weights: []int{3}},
	"com.microsoft:MatMulIntegerToFloat": {weights: []int{1}}, "com.microsoft:DynamicQuantizeMatMul": {input: -1, weights: []int{1}},
	"com.microsoft:QGemm": {weights: []int{3}, trans: "transB"}, "com.microsoft:QAttention": {weights: []int{1}},
	"com.microsoft:DynamicQuantizeLSTM": {input: -1, weights: []int{1, 2}},
	"ConvInteger":                       {weights: []int{1}, anyOrder: true}, "QLinearConv": {weights: []int{3}, anyOrder: true},
	"com.microsoft:QLinearConv": {weights: []int{3}, anyOrder: true},
}

// floatProducts are operators that ONNX Runtime multiplies as integers where
// both operands come out of DequantizeLinear: as QLinearMatMul, QGemm,
// MatMulIntegerToFloat, DynamicQuantizeMatMul or QLinearConv. It makes signed
// activations unsigned there, so that their type does not matter.
var floatProducts = map[string]integerProduct{
	"MatMul": {weights: []int{1}}, "Gemm": {weights: []int{1}, trans: "transB"}, "Conv": {weights: []int{1}, anyOrder: true},
}

// passThrough are operators across which ONNX Runtime moves DequantizeLinear to
// the product that follows.
var passThrough = map[string]bool{
	"Identity": true, "Reshape": true, "Transpose": true, "Squeeze": true, "Unsqueeze": true, "Flatten": true, "Slice": true, "Gather": true, "MaxPool": true,
}

// maxHops bounds how far a product's operands are followed back.
const maxHops = 16

// walker looks for 8-bit products.
type walker struct {
	m       onnxfile.Model
	file    []byte
	known   map[string]infer.Tensor
	made    map[string]*onnxfile.Node // the node that outputs a value
	weights map[string]*onnxfile.Initializer
	sums    map[sumsKey]columnSums
	out     Result
}

// Find returns what the 8-bit products of the file, of which m was parsed,
// can do.
func Find(m onnxfile.Model, file []byte) Result {
	w := &walker{m: m, file: file, out: Result{Unknown: []string{}}}
	innerQuantised := false
	for i := range m.Nodes {
		innerQuantised = innerQuantised || m.Nodes[i].Inner && m.Nodes[i].Op == "DequantizeLinear"
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		kind := n.Kind()
		p, integers := integerProducts[kind]
		f, floats := floatProducts[kind]
		switch {
		case n.Inner && (integers || floats && innerQuantised):
			w.unknown(*n, "it lies in a subgraph, whose weights are not followed")
		case n.Inner:
		case integers:
			w.prepare()
			w.integers(*n, p)
		case floats:
			w.prepare()
			w.floats(*n, f)
		case kind == "com.microsoft:MatMulNBits" && n.Int("bits", 4) == 8 && n.Int("accuracy_level", 0) == 4:
			w.unknown(*n, blocksUnknown)
		}
	}
	return w.out
}

// blocksUnknown: on AVX2 the kernels for 8-bit blocks split their products so
// that they fit (sqnbitgemm_kernel_avx2_int8_blklen64.h, and measured); those
// for AVX-512 were neither read nor measured.
const blocksUnknown = "the kernels for blocks of 8-bit weights were not proven on AVX-512 without VNNI"

// prepare makes what every product needs, once there is one.
func (w *walker) prepare() {
	if w.made != nil {
		return
	}
	w.known = infer.Tensors(w.m, 0, 0)
	w.made = make(map[string]*onnxfile.Node, len(w.m.Nodes))
	for i := range w.m.Nodes {
		if n := &w.m.Nodes[i]; !n.Inner {
			for _, name := range n.Outputs {
				w.made[name] = n
			}
		}
	}
	w.weights = make(map[string]*onnxfile.Initializer, len(w.m.Initializers))
	for i := range w.m.Initializers {
		if t := &w.m.Initializers[i]; !t.Inner {
			w.weights[t.Name] = t
		}
	}
	w.sums = map[sumsKey]columnSums{}
}

func (w *walker) unknown(n onnxfile.Node, why string) {
	w.out.UnknownCount++
	if len(w.out.Unknown) < maxUnknown {
		w.out.Unknown = append(w.out.Unknown, fmt.Sprintf("%s (%s): %s", onnxfile.Clip(n.Label()), onnxfile.Clip(n.Kind()), why))
	}
}

func input(n onnxfile.Node, i int) string {
	if i < 0 || i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
}

// integers looks at an operator that multiplies integers by itself.
func (w *walker) integers(n onnxfile.Node, p integerProduct) {
	if p.input >= 0 && w.known[input(n, p.input)].Type == "int8" {
		return // another kernel, which sums in 32 bits
	}
	counted := false
	for _, i := range p.weights {
		name := input(n, i)
		t, swapped := w.constant(name)
		switch {
		case t == nil && w.known[name].Type == "uint8" || t != nil && t.Type != onnxfile.TypeInt8:
		case t == nil:
			w.unknown(n, "its weights are computed in the graph")
		default:
			if p.trans != "" && n.Int(p.trans, 0) != 0 {
				swapped = !swapped
			}
			w.count(n, t, swapped, p.anyOrder, &counted)
		}
	}
}

// floats looks at a product of floats that the runtime may multiply as
// integers.
func (w *walker) floats(n onnxfile.Node, p integerProduct) {
	d, swapped := w.dequantised(input(n, p.weights[0]))
	if d == nil {
		return
	}
	name := input(*d, 0)
	t, again := w.constant(name)
	if t == nil {
		// Activations, of which signed ones are made unsigned, as the other
		// operand's: no product of theirs has a signed factor.
		q := w.made[name]
		activations := q != nil && q.Op == "QuantizeLinear" && !w.known[input(*q, 0)].Const
		if typ := w.known[name].Type; (typ == "int8" || typ == "") && !activations {
			w.unknown(n, "its weights are computed in the graph")
		}
		return
	}
	if t.Type != onnxfile.TypeInt8 {
		return
	}
	a, _ := w.dequantised(input(n, 0))
	if a == nil || d.Int("block_size", 0) != 0 {
		w.unknown(n, "the runtime may multiply its 8-bit weights in blocks, and "+blocksUnknown)
		return
	}
	if typ := w.known[input(*a, 0)].Type; typ != "uint8" && typ != "int8" && typ != "" {
		return // of 16 or 32 bits: multiplied as floats
	}
	if p.trans != "" && n.Int(p.trans, 0) != 0 {
		swapped = !swapped
	}
	counted := false
	w.count(n, t, swapped != again, p.anyOrder, &counted)
}

// dequantised is the DequantizeLinear that a value comes out of, and whether
// an odd number of transpositions lies between.
func (w *walker) dequantised(name string) (*onnxfile.Node, bool) {
	swapped := false
	for range maxHops {
		n := w.made[name]
		if n == nil {
			break
		}
		if n.Op == "DequantizeLinear" {
			return n, swapped
		}
		if !passThrough[n.Kind()] {
			break
		}
		swapped = swapped != (n.Op == "Transpose")
		name = input(*n, 0)
	}
	return nil, false
}

// constant is the tensor in the file that a value is, and whether its two axes
// were swapped on the way; nil where it is none.
func (w *walker) constant(name string) (*onnxfile.Initializer, bool) {
	swapped := false
	for range maxHops {
		if t := w.weights[name]; t != nil {
			return t, swapped
		}
		n := w.made[name]
		if n == nil {
			break
		}
		switch n.Kind() {
		case "Constant":
			a, _ := n.Attribute("value")
			return a.Tensor, swapped
		case "Identity":
		case "Transpose":
			if len(w.known[input(*n, 0)].Dims) != 2 {
				return nil, false
			}
			if a, ok := n.Attribute("perm"); !ok || len(a.Ints) == 2 && a.Ints[0] == 1 {
				swapped = !swapped
			}
		default:
			return nil, false
		}
		name = input(*n, 0)
	}
	return nil, false
}

// count adds a product's weights to the result.
func (w *walker) count(n onnxfile.Node, t *onnxfile.Initializer, swapped, anyOrder bool, counted *bool) {
	key := sumsKey{t, swapped, anyOrder}
	s, have := w.sums[key]
	if !have {
		s = sumColumns(t, w.file, swapped, anyOrder)
		w.sums[key] = s
	}
	if s.err != "" {
		w.unknown(n, s.err)
		return
	}
	if !*counted {
		w.out.Products++
		*counted = true
	}
	w.out.Columns += s.columns
	w.out.Over += s.over
	if s.largest > w.out.Largest {
		w.out.Largest, w.out.Worst = s.largest, onnxfile.Clip(n.Label())
	}
}
