package onnxedit

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// File writes a file's bytes to a folder of the test and returns its path.
func File(t testing.TB, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(p, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return p
}

// Field is one protobuf field of bytes.
func Field(n protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(parts, nil))
}

// Varint is one protobuf field of a number.
func Varint(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// OneNode is a graph of one node called n, fed by float32 inputs of these shapes ("1 16
// ?"), by int64 constants of these values where they begin with "=", and by
// nothing for "".
func OneNode(op, domain string, attributes []Attribute, in ...string) Graph {
	g := Graph{MicrosoftOps: true}
	n := Node{Name: "n", Op: op, Domain: domain, Attributes: attributes, Out: []string{"out", "out1", "out2"}}
	for i, s := range in {
		name := "in" + string(rune('0'+i))
		values, isConstant := strings.CutPrefix(s, "=")
		switch {
		case s == "":
			name = ""
		case isConstant:
			var v []int64
			for f := range strings.FieldsSeq(values) {
				n, err := strconv.ParseInt(f, 10, 64)
				if err != nil {
					panic(err)
				}
				v = append(v, n)
			}
			g.Initializers = append(g.Initializers, Int64s(name, v...))
		default:
			g.Inputs = append(g.Inputs, Value{Name: name, Type: 1, Shape: append([]string{}, strings.Fields(strings.Trim(s, "-"))...)})
		}
		n.In = append(n.In, name)
	}
	g.Nodes = []Node{n}
	g.Outputs = []Value{{Name: "out", Type: 1}}
	return g
}
