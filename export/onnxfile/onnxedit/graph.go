package onnxedit

import (
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Graph is a ModelProto of any nodes, right or wrong.
type Graph struct {
	IR              uint64 // 0: 10
	Opset           uint64 // 0: 20
	MicrosoftOps    bool   // import com.microsoft too
	Nodes           []Node
	Initializers    []Tensor
	Inputs, Outputs []Value
	Values          []Value // value_info
}

// Node is one NodeProto.
type Node struct {
	Name, Op, Domain string
	In, Out          []string
	Attributes       []Attribute
}

// Attribute is one AttributeProto; the first field that is set is written.
type Attribute struct {
	Name   string
	Int    *int64
	Ints   []int64
	Float  *float32
	Text   string
	Tensor *Tensor
	Graph  *Graph
}

// Value is one ValueInfoProto. A size in decimal is a number, "?" is nothing,
// anything else a symbol. Nil Shape: the value has none.
type Value struct {
	Name  string
	Type  int32
	Shape []string
}

// Int is an integer attribute.
func Int(name string, v int64) Attribute { return Attribute{Name: name, Int: &v} }

// Ints is a list attribute.
func Ints(name string, v ...int64) Attribute { return Attribute{Name: name, Ints: v} }

// Float is a float attribute.
func Float(name string, v float32) Attribute { return Attribute{Name: name, Float: &v} }

// Int64s is an int64 tensor of rank 1.
func Int64s(name string, v ...int64) Tensor {
	t := Tensor{Name: name, Type: 7, Dims: []int64{int64(len(v))}, Raw: []byte{}}
	for _, x := range v {
		t.Raw = binary.LittleEndian.AppendUint64(t.Raw, uint64(x))
	}
	return t
}

// Scalar is an int64 tensor without axes.
func Scalar(name string, v int64) Tensor {
	t := Int64s(name, v)
	t.Dims = nil
	return t
}

// Zeros is a float32 tensor.
func Zeros(name string, dims ...int64) Tensor {
	n := int64(4)
	for _, d := range dims {
		n *= d
	}
	return Tensor{Name: name, Type: 1, Dims: dims, Raw: make([]byte, n)}
}

// Bytes encodes the model.
func (g Graph) Bytes() []byte {
	ir, opset := g.IR, g.Opset
	if ir == 0 {
		ir = 10
	}
	if opset == 0 {
		opset = 20
	}
	b := text(number(nil, 1, ir), 2, "handmade")
	b = bytesField(b, 7, g.graph())
	b = bytesField(b, 8, number(nil, 2, opset))
	if g.MicrosoftOps {
		b = bytesField(b, 8, number(text(nil, 1, "com.microsoft"), 2, 1))
	}
	return b
}

func (g Graph) graph() (b []byte) {
	for _, n := range g.Nodes {
		b = bytesField(b, 1, n.bytes())
	}
	b = text(b, 2, "handmade")
	for _, t := range g.Initializers {
		b = bytesField(b, 5, t.bytes())
	}
	for i, values := range [][]Value{g.Inputs, g.Outputs, g.Values} {
		for _, v := range values {
			b = bytesField(b, protowire.Number(11+i), v.bytes())
		}
	}
	return b
}

func (n Node) bytes() (b []byte) {
	for _, i := range n.In {
		b = text(b, 1, i)
	}
	for _, o := range n.Out {
		b = text(b, 2, o)
	}
	b = text(text(b, 3, n.Name), 4, n.Op)
	for _, a := range n.Attributes {
		b = bytesField(b, 5, a.bytes())
	}
	return text(b, 7, n.Domain)
}

func (a Attribute) bytes() []byte {
	b := text(nil, 1, a.Name)
	switch {
	case a.Int != nil:
		return number(number(b, 3, uint64(*a.Int)), 20, 2)
	case a.Ints != nil:
		for _, v := range a.Ints {
			b = number(b, 8, uint64(v))
		}
		return number(b, 20, 7)
	case a.Float != nil:
		b = protowire.AppendFixed32(protowire.AppendTag(b, 2, protowire.Fixed32Type), math.Float32bits(*a.Float))
		return number(b, 20, 1)
	case a.Tensor != nil:
		return number(bytesField(b, 5, a.Tensor.bytes()), 20, 4)
	case a.Graph != nil:
		return number(bytesField(b, 6, a.Graph.graph()), 20, 5)
	}
	return number(text(b, 4, a.Text), 20, 3)
}

func (v Value) bytes() []byte {
	t := number(nil, 1, uint64(v.Type))
	if v.Shape != nil {
		var shape []byte
		for _, d := range v.Shape {
			var dim []byte
			if n, err := strconv.ParseUint(d, 10, 64); err == nil {
				dim = number(nil, 1, n)
			} else if d != "?" {
				dim = text(nil, 2, d)
			}
			shape = bytesField(shape, 1, dim)
		}
		t = bytesField(t, 2, shape)
	}
	return bytesField(text(nil, 1, v.Name), 2, bytesField(nil, 1, t))
}
