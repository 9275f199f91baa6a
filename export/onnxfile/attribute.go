package onnxfile

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxText is how many bytes of a string attribute are kept: modes and names of
// types are shorter.
const maxText = 256

// Attribute is one setting of a node. One of the fields after Name holds it.
type Attribute struct {
	Name   string
	Int    int64
	Float  float32
	Text   string
	Ints   []int64
	Tensor *Initializer
	Graph  bool // a subgraph, or several
	Cut    bool // a list of integers or a string that was too long and is left out
}

// Attribute returns the named attribute, if the node has it.
func (n Node) Attribute(name string) (Attribute, bool) {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a, true
		}
	}
	return Attribute{}, false
}

// Int returns an integer attribute, or what it is where the node has none.
func (n Node) Int(name string, otherwise int64) int64 {
	if a, ok := n.Attribute(name); ok {
		return a.Int
	}
	return otherwise
}

// Float returns a float attribute, or what it is where the node has none.
func (n Node) Float(name string, otherwise float32) float32 {
	if a, ok := n.Attribute(name); ok {
		return a.Float
	}
	return otherwise
}

// HasGraph reports whether the node has a subgraph.
func (n Node) HasGraph() bool {
	for _, a := range n.Attributes {
		if a.Graph {
			return true
		}
	}
	return false
}

func (p *parser) attribute(b []byte, depth int) (Attribute, error) {
	var a Attribute
	if err := p.count(); err != nil {
		return a, err
	}
	err := fields(b, func(n protowire.Number, v value) error {
		switch n {
		case 1:
			a.Name = string(v.bytes)
		case 2:
			a.Float = math.Float32frombits(uint32(v.num))
		case 3:
			a.Int = int64(v.num)
		case 4:
			if len(v.bytes) > maxText {
				a.Cut = true
			} else {
				a.Text = string(v.bytes)
			}
		case 5:
			t, err := p.tensor(v.bytes, true)
			a.Tensor = &t
			return err
		case 8:
			return repeated(v, func(x uint64) {
				if len(a.Ints) <= MaxInts {
					a.Ints = append(a.Ints, int64(x))
				}
			})
		case 10:
			_, err := p.tensor(v.bytes, true)
			return err
		case 6, 11:
			a.Graph = true
			return p.graph(v.bytes, depth+1)
		case 13:
			p.m.Metadata += len(v.bytes)
		case 22, 23:
			return p.sparse(v.bytes)
		}
		return nil
	})
	if len(a.Ints) > MaxInts {
		a.Ints, a.Cut = nil, true
	}
	return a, err
}
