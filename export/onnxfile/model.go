// Package onnxfile reads what must be known of an ONNX file before a runtime
// is given it: signature, operators, initializers, external data. Files are
// hostile: every length is checked against the bytes that are there. From the
// operators' own rules it also infers shapes and counts arithmetic. It must not
// know which model a file holds, nor which provider will run it.
//
// Field numbers are those of onnx.proto (https://github.com/onnx/onnx).
package onnxfile

import "strconv"

// Model is an ONNX file, without its weights.
type Model struct {
	IRVersion    int64
	Producer     string
	Opsets       map[string]int64 // by domain; "" is ONNX's own
	Nodes        []Node           // subgraphs' and local functions' nodes included
	Initializers []Initializer    // subgraphs' and attributes' tensors included
	Inputs       []Value
	Outputs      []Value
	Values       []Value // what the file says of values between nodes; often little, sometimes nothing
	Metadata     int     // metadata_props and doc_strings, anywhere
	Functions    int     // model-local functions
}

// Node is one operator.
type Node struct {
	Name, Op, Domain string
	Inputs, Outputs  []string // "": an optional one that is left out
	Attributes       []Attribute
	Inner            bool // in a subgraph or a local function, not in the graph itself
}

// Initializer is one tensor in the file.
type Initializer struct {
	Name     string
	Type     int32 // TensorProto.DataType
	Dims     []int64
	External string  // location of its data outside the file; "": inside
	Offset   int     // of raw_data in the file; 0 where the data is in typed fields
	Bytes    int     // of raw_data
	Elements int     // counted in typed fields, -1 where raw_data holds them
	Ints     []int64 // of an int32 or int64 tensor of at most maxInts values: shapes and axes
	Inner    bool    // of a subgraph, an attribute or a sparse tensor
}

// Value is a graph input or output, or a value between nodes.
type Value struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`  // "float32", "int64", …; "type 17" where it has no name here
	Shape []string `json:"shape"` // a size in decimal, a symbol, or "?"; nil where the file gives no shape
}

// maxInts is how many integers of a tensor or an attribute are kept. Shapes,
// axes and permutations are shorter than any tensor's rank.
const maxInts = 64

// Label names the node for people: its name, or its operator and what it makes
// where it has none.
func (n Node) Label() string {
	if n.Name != "" || len(n.Outputs) == 0 {
		return n.Name
	}
	return n.Op + "(" + n.Outputs[0] + ")"
}

// Kind is the operator, with its domain where that is not ONNX's own:
// "MatMul", "com.microsoft:MatMulNBits".
func (n Node) Kind() string {
	if n.Domain == "" || n.Domain == "ai.onnx" {
		return n.Op
	}
	return n.Domain + ":" + n.Op
}

// TypeName is the initializer's element type: "float32".
func (t Initializer) TypeName() string { return typeName(t.Type) }

// Count is the number of elements that the shape says, 0 for a shape that
// Check refuses.
func (t Initializer) Count() int64 {
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || (d > 0 && n > maxBytes/d) {
			return 0
		}
		n *= d
	}
	return n
}

// Size is the number of bytes that its elements take, as the shape says.
func (t Initializer) Size() int64 { return t.Count() * int64(types[t.Type].size) }

func typeName(t int32) string {
	if n := types[t].name; n != "" {
		return n
	}
	return "type " + strconv.Itoa(int(t))
}

// Sizes of TensorProto.DataType in bytes, and their names; sub-byte types are
// left out: nothing here makes them.
var types = map[int32]struct {
	name string
	size int
}{
	1: {"float32", 4}, 2: {"uint8", 1}, 3: {"int8", 1}, 4: {"uint16", 2}, 5: {"int16", 2}, 6: {"int32", 4}, 7: {"int64", 8},
	8: {"string", 0}, 9: {"bool", 1}, 10: {"float16", 2}, 11: {"float64", 8}, 12: {"uint32", 4}, 13: {"uint64", 8}, 16: {"bfloat16", 2},
}
