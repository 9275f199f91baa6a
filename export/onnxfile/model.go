// Package onnxfile reads what must be known of an ONNX file before a runtime
// is given it: signature, operators, initializers, external data. Files are
// hostile: every length is checked against the bytes that follow. It must
// not know which model a file holds, which provider will run it, nor what its
// operators compute: that is for infer and saturation.
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
	Inputs       []Value          // those that a caller must give
	Defaults     []Value          // inputs that have an initializer: a caller may leave them out
	Outputs      []Value
	Values       []Value // what the file says of values between nodes; often little, sometimes nothing
	Metadata     int     // metadata_props and doc_strings, anywhere
	Functions    int     // model-local functions

	functions map[string]bool // their functionKeys
}

// functionKey names an operator or a function of the file; ONNX's own domain
// has two names.
func functionKey(domain, name string) string {
	if domain == "ai.onnx" {
		domain = ""
	}
	return domain + "\x00" + name
}

// setDefaults moves the inputs that have an initializer to Defaults. Before
// IR 4 every initializer had to be an input as well; since then such an input
// is one that a caller may give, and need not.
func (m *Model) setDefaults() {
	if len(m.Inputs) == 0 {
		return
	}
	have := make(map[string]bool, len(m.Initializers))
	for _, t := range m.Initializers {
		if !t.Inner {
			have[t.Name] = true
		}
	}
	var inputs []Value
	for _, v := range m.Inputs {
		if have[v.Name] {
			m.Defaults = append(m.Defaults, v)
		} else {
			inputs = append(inputs, v)
		}
	}
	m.Inputs = inputs
}

// Clip shortens a text of a hostile file for an error.
func Clip(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
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
	Ints     []int64 // of an int32 or int64 tensor of at most MaxInts values: shapes and axes
	Inner    bool    // of a subgraph, an attribute or a sparse tensor

	// Where int32_data lies in the file, if it is one packed field: small
	// integers that some exporters write so.
	packed *span
}

// span is a part of the file.
type span struct{ at, bytes int }

// Value is a graph input or output, or a value between nodes.
type Value struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`  // "float32", "int64", …; "type 17" where it has no name here
	Shape []string `json:"shape"` // a size in decimal, a symbol, or "?"; nil where the file gives no shape
}

// MaxInts is how many integers of a tensor or an attribute are kept. Shapes,
// axes and permutations are shorter than any tensor's rank.
const MaxInts = 64

// Label names the node for people: its name, or where it has none its operator
// and first output.
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
func (t Initializer) TypeName() string { return TypeName(t.Type) }

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
// Elements of less than a byte are packed, the first in the lowest bits.
func (t Initializer) Size() int64 { return packed(t.Count(), t.Type) }

// packed is how many bytes n elements of a type take.
func packed(n int64, typ int32) int64 {
	bits := int64(types[typ].bits)
	if bits < 8 {
		return (n*bits + 7) / 8
	}
	return n * (bits / 8)
}

// TypeName is the name of a number of TensorProto.DataType.
func TypeName(t int32) string {
	if n := types[t].name; n != "" {
		return n
	}
	return "type " + strconv.Itoa(int(t))
}

// Bits of an element of each TensorProto.DataType, and the types' names. Left
// out are those that no kernel of ONNX Runtime takes: complex numbers, and
// 8-bit exponents.
var types = map[int32]struct {
	name string
	bits int
}{
	1: {"float32", 32}, 2: {"uint8", 8}, 3: {"int8", 8}, 4: {"uint16", 16}, 5: {"int16", 16}, 6: {"int32", 32}, 7: {"int64", 64},
	8: {"string", 0}, 9: {"bool", 8}, 10: {"float16", 16}, 11: {"float64", 64}, 12: {"uint32", 32}, 13: {"uint64", 64}, 16: {"bfloat16", 16},
	17: {"float8e4m3fn", 8}, 18: {"float8e4m3fnuz", 8}, 19: {"float8e5m2", 8}, 20: {"float8e5m2fnuz", 8},
	21: {"uint4", 4}, 22: {"int4", 4}, 23: {"float4e2m1", 4}, 25: {"uint2", 2}, 26: {"int2", 2},
}
