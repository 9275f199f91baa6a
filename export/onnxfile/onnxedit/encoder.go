package onnxedit

import (
	"strconv"
	"strings"
)

// Encoder is a small graph of the form of an exported sentence encoder: two
// embeddings, one layer of attention and feed-forward, mean pooling and norm.
// Its sizes are in the constants below.
type Encoder struct {
	Rows, Cols string // axes of the inputs: sizes or symbols
	Mask       Mask   // how the attention mask becomes numbers
	NoValues   bool   // without value_info
}

// Mask is a way from an int64 mask to the float that is added to scores.
type Mask string

// The ways that exporters take.
const (
	MaskGather   Mask = "gather"   // looks 0 and 1 up in a table: what a static export does for CoreML
	MaskCast     Mask = "cast"     // Cast of the input: a plain written-out export
	MaskInt64    Mask = "int64"    // Unsqueeze and Sub of integers first
	MaskGatherND Mask = "gathernd" // indexes a row of 0 and 1 by the mask: what table[mask] exports as
)

// Sizes of Encoder's graph.
const (
	EncoderVocabulary   = 32
	EncoderHidden       = 8
	EncoderHeads        = 2
	EncoderIntermediate = 16
)

// Graph builds it.
func (e Encoder) Graph() Graph {
	b := &builder{g: Graph{Opset: 20}}
	ids, mask := Value{"input_ids", 7, []string{e.Rows, e.Cols}}, Value{"attention_mask", 7, []string{e.Rows, e.Cols}}
	b.g.Inputs = []Value{ids, mask}
	b.g.Outputs = []Value{{"sentence_embedding", 1, []string{e.Rows, "8"}}}
	b.g.Initializers = []Tensor{
		Zeros("word", EncoderVocabulary, EncoderHidden), Zeros("table", 2, 1), Zeros("row", 2), Zeros("one"), Zeros("large"),
		Zeros("ln.weight", EncoderHidden), Zeros("ln.bias", EncoderHidden),
		Zeros("wq", EncoderHidden, EncoderHidden), Zeros("wk", EncoderHidden, EncoderHidden), Zeros("wv", EncoderHidden, EncoderHidden),
		Zeros("w1", EncoderHidden, EncoderIntermediate), Zeros("w2", EncoderIntermediate, EncoderHidden),
		Int64s("heads", 0, 0, EncoderHeads, EncoderHidden/EncoderHeads), Int64s("merged", 0, 0, EncoderHidden),
		Int64s("axis1", 1), Int64s("last", -1), Scalar("int_one", 1),
	}
	hidden := []string{e.Rows, e.Cols, "8"}
	x := b.node("Gather", hidden, "word", "input_ids")
	x = b.node("LayerNormalization", hidden, x, "ln.weight", "ln.bias")
	m := e.mask(b)
	additive := b.node("Mul", nil, b.node("Sub", nil, m, "one"), "large")
	additive = b.node("Unsqueeze", []string{e.Rows, "1", "1", e.Cols}, additive, "axis1")
	head := func(w string, perm ...int64) string {
		h := b.node("Reshape", []string{e.Rows, e.Cols, "2", "4"}, b.node("MatMul", hidden, x, w), "heads")
		return b.with(Ints("perm", perm...)).node("Transpose", nil, h)
	}
	q, k, v := head("wq", 0, 2, 1, 3), head("wk", 0, 2, 3, 1), head("wv", 0, 2, 1, 3)
	scores := b.node("Add", nil, b.node("MatMul", []string{e.Rows, "2", e.Cols, e.Cols}, q, k), additive)
	c := b.node("MatMul", []string{e.Rows, "2", e.Cols, "4"}, b.node("Softmax", nil, scores), v)
	c = b.with(Ints("perm", 0, 2, 1, 3)).node("Transpose", nil, c)
	x = b.node("Add", hidden, b.node("Reshape", hidden, c, "merged"), x)
	f := b.node("Gelu", nil, b.node("MatMul", []string{e.Rows, e.Cols, "16"}, x, "w1"))
	x = b.node("Add", hidden, b.node("MatMul", hidden, f, "w2"), x)
	p := b.node("Squeeze", []string{e.Rows, "8"}, b.node("MatMul", []string{e.Rows, "1", "8"}, m, x), "axis1")
	n := b.node("Max", nil, b.with(Int("keepdims", 0)).node("ReduceSum", nil, m, "last"), "one")
	p = b.node("Div", nil, p, n)
	d := b.node("Sqrt", nil, b.node("ReduceSum", nil, b.node("Mul", nil, p, p), "axis1"))
	b.out = "sentence_embedding"
	b.node("Div", nil, p, d)
	if e.NoValues {
		b.g.Values = nil
	}
	return b.g
}

// mask makes batch × 1 × tokens floats of the attention mask.
func (e Encoder) mask(b *builder) string {
	shape := []string{e.Rows, "1", e.Cols}
	float := func(x string) string { return b.with(Int("to", 1)).node("Cast", nil, x) }
	switch e.Mask {
	case MaskCast:
		return b.node("Unsqueeze", shape, float("attention_mask"), "axis1")
	case MaskInt64:
		m := b.node("Unsqueeze", shape, "attention_mask", "axis1")
		return float(b.node("Sub", shape, m, "int_one"))
	case MaskGatherND:
		at := b.node("Unsqueeze", []string{e.Rows, e.Cols, "1"}, "attention_mask", "last")
		return b.node("Unsqueeze", shape, b.node("GatherND", []string{e.Rows, e.Cols}, "row", at), "axis1")
	}
	m := b.node("Gather", []string{e.Rows, e.Cols, "1"}, "table", "attention_mask")
	return b.with(Ints("perm", 0, 2, 1)).node("Transpose", shape, m)
}

// builder names nodes by operator and number, as the exporter does.
type builder struct {
	g     Graph
	count map[string]int
	attrs []Attribute
	out   string // the next node's output; "": one is made up
}

// with gives the next node attributes.
func (b *builder) with(a ...Attribute) *builder {
	b.attrs = a
	return b
}

// node adds one and returns its output. Its shape, where given, goes into
// value_info.
func (b *builder) node(op string, shape []string, in ...string) string {
	if b.count == nil {
		b.count = map[string]int{}
	}
	name := strings.ToLower(op) + "_" + strconv.Itoa(b.count[op])
	b.count[op]++
	out := b.out
	if out == "" {
		out = "t_" + name
	}
	b.g.Nodes = append(b.g.Nodes, Node{Name: name, Op: op, In: in, Out: []string{out}, Attributes: b.attrs})
	b.attrs, b.out = nil, ""
	if shape != nil {
		typ := int32(1)
		if (op == "Sub" && in[1] == "int_one") || (op == "Unsqueeze" && in[0] == "attention_mask") {
			typ = 7
		}
		b.g.Values = append(b.g.Values, Value{out, typ, shape})
	}
	return out
}
