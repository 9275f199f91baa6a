package onnxfile_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

func TestTypesOfLessThanAByteArePacked(t *testing.T) {
	with := func(x onnxedit.Tensor) error {
		_, err := onnxfile.Read(onnxedit.File(t, onnxedit.Model{Initializers: []onnxedit.Tensor{x}}.Bytes()))
		return err
	}
	for typ, per := range map[int32]int{21: 2, 22: 2, 23: 2, 25: 4, 26: 4, 17: 1, 20: 1} {
		bytes := (7 + per - 1) / per
		require.NoError(t, with(onnxedit.Tensor{Name: "w", Type: typ, Dims: []int64{7}, Raw: make([]byte, bytes)}), "type %d", typ)
		require.ErrorContains(t, with(onnxedit.Tensor{Name: "w", Type: typ, Dims: []int64{7}, Raw: make([]byte, bytes+1)}), `tensor "w": got`, "type %d", typ)
		x := onnxfile.Initializer{Type: typ, Dims: []int64{7}}
		assert.Equal(t, int64(bytes), x.Size())
	}
	require.ErrorContains(t, with(onnxedit.Tensor{Name: "w", Type: 14, Dims: []int64{1}, Raw: make([]byte, 8)}), "got data type 14")
}

func TestAFunctionOfTheFileIsRefusedByName(t *testing.T) {
	function := func(domain, name string) []byte {
		return field(25, field(1, []byte(name)), field(10, []byte(domain)), field(7, field(4, []byte("Identity"))))
	}
	for _, c := range []struct{ domain, called string }{{"mine", "mine"}, {"com.microsoft", "com.microsoft"}, {"ai.onnx", ""}} {
		g := onnxedit.OneNode("Twice", c.called, nil, "2 8")
		b := append(g.Bytes(), function(c.domain, "Twice")...)
		_, err := onnxfile.Read(onnxedit.File(t, b))
		require.ErrorContains(t, err, `node "n": got a call of the file's own function Twice`)
		assert.ErrorContains(t, err, "inline_local_functions")
		b = append(onnxedit.OneNode("Gelu", "", nil, "2 8").Bytes(), function(c.domain, "Twice")...)
		_, err = onnxfile.Read(onnxedit.File(t, b))
		require.NoError(t, err, "one that nobody calls")
	}
}
