package ort

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file writes small ONNX models by hand, so that a test can have any
// signature and know every number that must come out.

// Element types of ONNX.
const (
	tFloat   = 1
	tInt32   = 6
	tInt64   = 7
	tFloat16 = 10
	tDouble  = 11
)

// value is a graph input or output. A dimension is an int (fixed) or a name.
type value struct {
	name string
	elem int
	dims []any
}

type node struct {
	op      string
	in, out []string
	ints    map[string]int64 // attributes
}

// constant is an initializer of float32 or int64.
type constant struct {
	name string
	dims []int64
	f32  []float32
	i64  []int64
}

type graph struct {
	nodes     []node
	constants []constant
	in, out   []value
}

// message is protobuf's wire format, as far as these models need it.
type message []byte

func (m *message) bytes(field int, b []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(b)))
	*m = append(*m, b...)
}

func (m *message) text(field int, s string) { m.bytes(field, []byte(s)) }

func (m *message) varint(field int, x int64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, uint64(x))
}

func (v value) encode() []byte {
	var shape, tensor, typ, info message
	for _, d := range v.dims {
		var dim message
		switch d := d.(type) {
		case int:
			dim.varint(1, int64(d))
		case string:
			dim.text(2, d)
		}
		shape.bytes(1, dim)
	}
	tensor.varint(1, int64(v.elem))
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	info.text(1, v.name)
	info.bytes(2, typ)
	return info
}

func (n node) encode() []byte {
	var m message
	for _, s := range n.in {
		m.text(1, s)
	}
	for _, s := range n.out {
		m.text(2, s)
	}
	m.text(4, n.op)
	for name, x := range n.ints {
		var a message
		a.text(1, name)
		a.varint(3, x)
		a.varint(20, 2) // INT
		m.bytes(5, a)
	}
	return m
}

func (c constant) encode() []byte {
	var m message
	for _, d := range c.dims {
		m.varint(1, d)
	}
	var raw []byte
	elem := int64(tFloat)
	for _, x := range c.f32 {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	if c.i64 != nil {
		elem = tInt64
		for _, x := range c.i64 {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
		}
	}
	m.varint(2, elem)
	m.text(8, c.name)
	m.bytes(9, raw)
	return m
}

func (g graph) encode() []byte {
	var body, opset, model message
	for _, n := range g.nodes {
		body.bytes(1, n.encode())
	}
	body.text(2, "test")
	for _, c := range g.constants {
		body.bytes(5, c.encode())
	}
	for _, v := range g.in {
		body.bytes(11, v.encode())
	}
	for _, v := range g.out {
		body.bytes(12, v.encode())
	}
	opset.varint(2, 20)
	model.varint(1, 9) // IR version
	model.bytes(7, body)
	model.bytes(8, opset)
	return model
}

func (g graph) write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(path, g.encode(), 0o600))
	return path
}

const (
	handVocab = 16
	handDim   = 4
)

// word is the hand-written models' vector of a token: distinct, with negative
// numbers, and not on a line.
func word(id int64) []float32 {
	x := float32(id)
	return []float32{x + 1, -x, 0.5 * x * x, 3 - x}
}

func wordTable() constant {
	c := constant{name: "words", dims: []int64{handVocab, handDim}}
	for id := range int64(handVocab) {
		c.f32 = append(c.f32, word(id)...)
	}
	return c
}

func ids(elem int) value  { return value{"input_ids", elem, []any{"batch", "sequence"}} }
func mask(elem int) value { return value{"attention_mask", elem, []any{"batch", "sequence"}} }

// lookup is a model whose last hidden state is each token's word vector.
func lookup(output string, elem int) graph {
	return graph{
		nodes:     []node{{op: "Gather", in: []string{"words", "input_ids"}, out: []string{output}}},
		constants: []constant{wordTable()},
		in:        []value{ids(elem), mask(elem)},
		out:       []value{{output, tFloat, []any{"batch", "sequence", handDim}}},
	}
}
