package onnxedit

import "google.golang.org/protobuf/encoding/protowire"

// Tensor is a TensorProto to be written, right or wrong.
type Tensor struct {
	Name     string
	Type     int32
	Dims     []int64
	Raw      []byte    // raw_data; left out where nil
	Floats   []float32 // float_data: only their number matters here
	External string    // location of external data
}

// Model is a ModelProto of one node with one input and one output.
type Model struct {
	Domain       string   // of the node's operator
	Initializers []Tensor // of the graph
	Attribute    []Tensor // the node's attribute holds them
	Nested       []Tensor // initializers of a graph in the node's attribute
	NoOpset      bool
	NoGraph      bool
}

// Bytes encodes the model.
func (m Model) Bytes() []byte {
	var node, graph, b []byte
	node = text(node, 1, "x")
	node = text(node, 2, "y")
	node = text(node, 3, "the node")
	node = text(node, 4, "Identity")
	node = text(node, 7, m.Domain)
	for _, t := range m.Attribute {
		node = bytesField(node, 5, bytesField(nil, 5, t.bytes()))
	}
	for _, t := range m.Nested {
		node = bytesField(node, 5, bytesField(nil, 6, bytesField(nil, 5, t.bytes())))
	}
	graph = bytesField(graph, 1, node)
	for _, t := range m.Initializers {
		graph = bytesField(graph, 5, t.bytes())
	}
	graph = bytesField(graph, 11, value("x"))
	graph = bytesField(graph, 12, value("y"))
	b = number(b, 1, 10)
	b = text(b, 2, "handmade")
	if !m.NoGraph {
		b = bytesField(b, 7, graph)
	}
	if !m.NoOpset {
		b = bytesField(b, 8, number(nil, 2, 18))
	}
	return b
}

func (t Tensor) bytes() (b []byte) {
	for _, d := range t.Dims {
		b = number(b, 1, uint64(d))
	}
	b = number(b, 2, uint64(t.Type))
	if t.Floats != nil {
		b = bytesField(b, 4, make([]byte, 4*len(t.Floats)))
	}
	b = text(b, 8, t.Name)
	if t.Raw != nil {
		b = bytesField(b, 9, t.Raw)
	}
	if t.External != "" {
		b = bytesField(b, 13, text(text(nil, 1, "location"), 2, t.External))
		b = number(b, 14, 1)
	}
	return b
}

// value is a ValueInfoProto of float32[batch, 3].
func value(name string) []byte {
	shape := bytesField(nil, 1, text(nil, 2, "batch"))
	shape = bytesField(shape, 1, number(nil, 1, 3))
	tensor := bytesField(number(nil, 1, 1), 2, shape)
	return bytesField(text(nil, 1, name), 2, bytesField(nil, 1, tensor))
}

func number(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func bytesField(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

func text(b []byte, n protowire.Number, v string) []byte { return bytesField(b, n, []byte(v)) }
