// Package infer computes what a graph's values are without running it: types,
// shapes and the integers that shapes depend on, by the operators' own rules, and
// from them the arithmetic of a run. What cannot be known is unknown, never a
// guess. It must not know which provider will run the graph.
package infer

import (
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// maxRank is the rank beyond which a shape is not followed: a hostile graph
// could double it with each node.
const maxRank = 16

// Tensor is what is known of one value of the graph.
type Tensor struct {
	Type   string  // "" where it is not known
	Dims   []int64 // sizes, Unknown where one is not known; nil where not even their number is
	Values []int64 // its integers where they are few and follow from shapes and constants; single ones may be Unknown
	Const  bool    // the same in every run and known before the first: a weight, or made from weights alone
}

// Fixed reports whether every size is known.
func (t Tensor) Fixed() bool { return t.Dims != nil && !slices.Contains(t.Dims, Unknown) }

// allKnown reports whether every one of its integers is known.
func (t Tensor) allKnown() bool { return t.Values != nil && !slices.Contains(t.Values, Unknown) }

// Tensors infers types and shapes of the graph's values, by name, from its
// inputs, its initializers, what the file says of values between nodes, and
// the operators' own rules. rows and cols are the sizes of the first and the
// second axis of every input with two, where the graph does not fix them; 0
// leaves them Unknown. What cannot be known is left out or Unknown.
func Tensors(m onnxfile.Model, rows, cols int) map[string]Tensor {
	axes, at := inputAxes(m, rows, cols)
	known := make(map[string]Tensor, len(m.Initializers)+len(m.Nodes))
	for _, v := range m.Inputs {
		known[v.Name] = ofValue(v, axes, at).completedBy(Tensor{})
	}
	isInput := make(map[string]bool, len(m.Defaults))
	for _, v := range m.Defaults {
		isInput[v.Name] = true
	}
	for _, t := range m.Initializers {
		if t.Inner {
			continue
		}
		x := ofInitializer(t).completedBy(Tensor{})
		// Since IR 4 an initializer that is an input too is only its default:
		// it has this value where a caller gives no other, and is never folded.
		x.Const = !isInput[t.Name] || m.IRVersion < 4
		known[t.Name] = x
	}
	stated := map[string]Tensor{}
	for _, v := range slices.Concat(m.Values, m.Outputs) {
		stated[v.Name] = stated[v.Name].completedBy(ofValue(v, axes, nil))
	}
	for _, n := range m.Nodes {
		if n.Inner {
			continue
		}
		out := inferNode(n, known, m.Opsets[""])
		folds := folded(n, known, out)
		for i, name := range n.Outputs {
			if name == "" {
				continue
			}
			t := Tensor{}
			if i < len(out) {
				t = out[i]
			}
			t = t.completedBy(stated[name])
			t.Const = folds
			known[name] = t
		}
	}
	return known
}

// inputAxes gives the symbols of the inputs' axes their sizes, and, by position, the
// axes without a symbol.
func inputAxes(m onnxfile.Model, rows, cols int) (map[string]int64, []int64) {
	at := []int64{Unknown, Unknown}
	for i, n := range []int{rows, cols} {
		if n > 0 {
			at[i] = int64(n)
		}
	}
	axes := map[string]int64{}
	for i, n := range at {
		for _, v := range m.Inputs {
			if len(v.Shape) != 2 || n == Unknown || v.Shape[i] == "?" || v.Shape[i] == "" {
				continue
			}
			if _, have := axes[v.Shape[i]]; !have {
				axes[v.Shape[i]] = n
			}
		}
	}
	return axes, at
}

// ofValue is what the file states of a value.
func ofValue(v onnxfile.Value, axes map[string]int64, at []int64) Tensor {
	t := Tensor{Type: v.Type}
	if v.Shape == nil {
		return t
	}
	t.Dims = make([]int64, len(v.Shape))
	for i, d := range v.Shape {
		t.Dims[i] = parseSize(d, axes)
		if t.Dims[i] == Unknown && len(v.Shape) == 2 && at != nil && (d == "?" || d == "") {
			t.Dims[i] = at[i]
		}
	}
	return t
}

// ofInitializer is what is known of a tensor in the file.
func ofInitializer(t onnxfile.Initializer) Tensor {
	x := Tensor{Type: t.TypeName(), Dims: make([]int64, len(t.Dims)), Values: t.Ints, Const: true}
	for i, d := range t.Dims {
		x.Dims[i] = sizeOrUnknown(d)
	}
	switch {
	case len(t.Dims) > 1 || int64(len(t.Ints)) != t.Count():
		x.Values = nil
	case x.Values == nil && (t.Type == onnxfile.TypeInt32 || t.Type == onnxfile.TypeInt64):
		x.Values = []int64{} // the shape of a scalar
	}
	return x
}

// completedBy is t with what the file states where the rules give nothing, and
// without what is too long.
func (t Tensor) completedBy(stated Tensor) Tensor {
	if t.Type == "" {
		t.Type = stated.Type
	}
	switch {
	case t.Dims == nil:
		t.Dims = stated.Dims
	case len(t.Dims) == len(stated.Dims):
		t.Dims = slices.Clone(t.Dims)
		for i, d := range stated.Dims {
			if t.Dims[i] == Unknown {
				t.Dims[i] = d
			}
		}
	}
	if len(t.Dims) > maxRank {
		t.Dims = nil
	}
	if len(t.Values) > onnxfile.MaxInts || len(t.Dims) > 1 {
		t.Values = nil
	}
	return t
}

// notFolded are operators that a runtime computes anew in every run, whatever
// goes in. ONNX Runtime keeps DequantizeLinear of a weight for its own fusions.
var notFolded = map[string]bool{
	"RandomNormal": true, "RandomNormalLike": true, "RandomUniform": true, "RandomUniformLike": true,
	"Multinomial": true, "Bernoulli": true, "DequantizeLinear": true,
}

// folded reports whether a runtime computes the node once, before it partitions
// the graph: one of constants alone, or the Shape of a value of fixed sizes.
func folded(n onnxfile.Node, known map[string]Tensor, out []Tensor) bool {
	if notFolded[n.Op] || n.HasGraph() {
		return false
	}
	if n.Kind() == "Shape" && len(out) == 1 && out[0].allKnown() {
		return true
	}
	for _, name := range n.Inputs {
		if name != "" && !known[name].Const {
			return false
		}
	}
	return true
}

// Folded reports whether n, a node of the graph whose Tensors are known, is
// computed before the graph is partitioned.
func Folded(n onnxfile.Node, known map[string]Tensor) bool {
	for _, name := range n.Outputs {
		if name != "" && !known[name].Const {
			return false
		}
	}
	return true
}
