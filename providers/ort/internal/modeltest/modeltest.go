// Package modeltest builds small ONNX models for tests, so that a test can have
// any inputs and outputs and know every number that must come out. It must not
// know how a session runs them.
package modeltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

// Element types of ONNX.
const (
	Float   = 1
	Int32   = 6
	Int64   = 7
	Float16 = 10
	Double  = 11
)

// The models' vocabulary and dimension.
const (
	Vocab = 16
	Dim   = 4
)

// Graph is a model that a test may change before it writes it.
type Graph struct{ onnxedit.Graph }

// Write writes the model into a folder of the test's own.
func (g Graph) Write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(path, g.Bytes(), 0o600))
	return path
}

// Word is the models' vector of a token: distinct, with negative numbers, and
// not on a line.
func Word(id int64) []float32 {
	x := float32(id)
	return []float32{x + 1, -x, 0.5 * x * x, 3 - x}
}

// Words is the table of every token's vector; change may change its numbers.
func Words(change func(table []float32)) onnxedit.Tensor {
	var table []float32
	for id := range int64(Vocab) {
		table = append(table, Word(id)...)
	}
	if change != nil {
		change(table)
	}
	return Floats("words", []int64{Vocab, Dim}, table...)
}

// Floats is a float32 tensor.
func Floats(name string, dims []int64, v ...float32) onnxedit.Tensor {
	t := onnxedit.Tensor{Name: name, Type: Float, Dims: dims}
	for _, x := range v {
		t.Raw = binary.LittleEndian.AppendUint32(t.Raw, math.Float32bits(x))
	}
	return t
}

// Input is an input of batch × sequence.
func Input(name string, elem int32) onnxedit.Value {
	return onnxedit.Value{Name: name, Type: elem, Shape: []string{"batch", "sequence"}}
}

// Lookup is a model whose last hidden state is each token's vector.
func Lookup() Graph { return LookupOf("last_hidden_state", Int64) }

// LookupOf is Lookup with an output of that name and inputs of that type.
func LookupOf(output string, elem int32) Graph {
	return Graph{onnxedit.Graph{
		Nodes:        []onnxedit.Node{{Op: "Gather", In: []string{"words", "input_ids"}, Out: []string{output}}},
		Initializers: []onnxedit.Tensor{Words(nil)},
		Inputs:       []onnxedit.Value{Input("input_ids", elem), Input("attention_mask", elem)},
		Outputs:      []onnxedit.Value{{Name: output, Type: Float, Shape: []string{"batch", "sequence", strconv.Itoa(Dim)}}},
	}}
}

// Pooled is Lookup with a second output: sentence_embedding, the plain mean
// over all tokens.
func Pooled() Graph {
	g := Lookup()
	g.Nodes = append(g.Nodes, onnxedit.Node{Op: "ReduceMean", In: []string{"last_hidden_state", "axis"},
		Out: []string{"sentence_embedding"}, Attributes: []onnxedit.Attribute{onnxedit.Int("keepdims", 0)}})
	g.Initializers = append(g.Initializers, onnxedit.Int64s("axis", 1))
	g.Outputs = append(g.Outputs, onnxedit.Value{Name: "sentence_embedding", Type: Float, Shape: []string{"batch", strconv.Itoa(Dim)}})
	return g
}

// Long is Lookup behind a chain of operators that change nothing in the end: a
// run long enough to be cancelled in its middle.
func Long() Graph {
	g := Lookup()
	g.Nodes[0].Out = []string{"x0"}
	const n = 300
	for i := range n {
		g.Nodes = append(g.Nodes, onnxedit.Node{Op: "Neg", In: []string{fmt.Sprint("x", i)}, Out: []string{fmt.Sprint("x", i+1)}})
	}
	g.Nodes[n].Out = []string{"last_hidden_state"}
	return g
}

// Fixed fixes a graph's batch and sequence; 0 leaves one dynamic.
func Fixed(g Graph, rows, cols int) Graph {
	for _, v := range append(append([]onnxedit.Value{}, g.Inputs...), g.Outputs...) {
		if rows > 0 {
			v.Shape[0] = strconv.Itoa(rows)
		}
		if cols > 0 && len(v.Shape) > 1 && v.Shape[1] == "sequence" {
			v.Shape[1] = strconv.Itoa(cols)
		}
	}
	return g
}

// Embedding is the configuration of these models.
func Embedding(p candidate.Pooling, normalize bool) candidate.Embedding {
	return candidate.Embedding{Pooling: p, Normalize: normalize, MaxTokens: 32, Dimension: Dim}
}

// Float64s converts a vector.
func Float64s(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// Unit is a vector of length 1 with v's direction.
func Unit(v []float64) []float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = x / math.Sqrt(sum)
	}
	return out
}
