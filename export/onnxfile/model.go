// Package onnxfile reads what must be known of an ONNX file before a runtime
// is given it: signature, operators, initializers, external data. Files are
// hostile: every length is checked against the bytes that are there. It must
// not know what the model computes.
//
// Field numbers are those of onnx.proto (https://github.com/onnx/onnx).
package onnxfile

// Model is an ONNX file, without its weights.
type Model struct {
	IRVersion    int64
	Producer     string
	Opsets       map[string]int64 // by domain; "" is ONNX's own
	Nodes        []Node           // subgraphs' nodes included
	Initializers []Initializer    // subgraphs' and attributes' tensors included
	Inputs       []Value
	Outputs      []Value
	Metadata     int // metadata_props and doc_strings, anywhere
	Functions    int // model-local functions
}

// Node is one operator.
type Node struct {
	Name, Op, Domain string
	Inputs, Outputs  []string
}

// Initializer is one tensor in the file.
type Initializer struct {
	Name     string
	Type     int32 // TensorProto.DataType
	Dims     []int64
	External string // location of its data outside the file; "": inside
	Offset   int    // of raw_data in the file; 0 where the data is in typed fields
	Bytes    int    // of raw_data
	Elements int    // counted in typed fields, -1 where raw_data holds them
}

// Value is a graph input or output.
type Value struct {
	Name  string
	Type  string   // "float32", "int64", …; "type 17" where it has no name here
	Shape []string // a size in decimal, a symbol, or "?"
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
