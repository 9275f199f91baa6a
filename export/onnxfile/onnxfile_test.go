package onnxfile_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
)

func floats(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func good() onnxedit.Tensor {
	return onnxedit.Tensor{Name: "w", Type: 1, Dims: []int64{3}, Raw: floats(1, 2, 3)}
}

func TestParseReadsTheWholeStructure(t *testing.T) {
	b := onnxedit.Model{Initializers: []onnxedit.Tensor{good()}}.Bytes()
	m, err := onnxfile.Read(onnxedit.File(t, b))
	require.NoError(t, err)
	assert.Equal(t, int64(10), m.IRVersion)
	assert.Equal(t, "handmade", m.Producer)
	assert.Equal(t, map[string]int64{"": 18}, m.Opsets)
	assert.Equal(t, []onnxfile.Node{{Name: "the node", Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}}, m.Nodes)
	assert.Equal(t, []onnxfile.Value{{Name: "x", Type: "float32", Shape: []string{"batch", "3"}}}, m.Inputs)
	assert.Equal(t, []onnxfile.Value{{Name: "y", Type: "float32", Shape: []string{"batch", "3"}}}, m.Outputs)
	require.Len(t, m.Initializers, 1)
	w := m.Initializers[0]
	assert.Equal(t, "w", w.Name)
	assert.Equal(t, []int64{3}, w.Dims)
	assert.Equal(t, floats(1, 2, 3), b[w.Offset:w.Offset+w.Bytes])
}

func TestReadRefuses(t *testing.T) {
	model := func(ts ...onnxedit.Tensor) []byte { return onnxedit.Model{Initializers: ts}.Bytes() }
	with := func(change func(*onnxedit.Tensor)) onnxedit.Tensor {
		x := good()
		change(&x)
		return x
	}
	external := with(func(x *onnxedit.Tensor) { x.Raw, x.External = nil, "../../etc/passwd" })
	whole := model(good())
	cases := map[string]struct {
		b    []byte
		want string
	}{
		"an empty file":                         {nil, "no ONNX model"},
		"text":                                  {[]byte("<html>not found</html>"), "no ONNX protobuf"},
		"a truncated file":                      {whole[:len(whole)-1], "end early"},
		"half a file":                           {whole[:len(whole)/2], "end early"},
		"a file without a graph":                {onnxedit.Model{NoGraph: true}.Bytes(), "got 0 graphs"},
		"two graphs":                            {append(model(good()), whole...), "got 2 graphs"},
		"a model without an opset":              {onnxedit.Model{NoOpset: true}.Bytes(), "no opset"},
		"an operator of a custom domain":        {onnxedit.Model{Domain: "evil.ops"}.Bytes(), `custom domain "evil.ops"`},
		"external data":                         {model(external), "external data at"},
		"external data in an attribute":         {onnxedit.Model{Attribute: []onnxedit.Tensor{external}}.Bytes(), "external data at"},
		"external data in a graph in attribute": {onnxedit.Model{Nested: []onnxedit.Tensor{external}}.Bytes(), "external data at"},
		"fewer bytes than the shape":            {model(with(func(x *onnxedit.Tensor) { x.Dims = []int64{4} })), "got 12 bytes for shape [4] of float32, wanted 16"},
		"more bytes than the shape":             {model(with(func(x *onnxedit.Tensor) { x.Dims = []int64{2} })), "wanted 8"},
		"fewer floats than the shape":           {model(with(func(x *onnxedit.Tensor) { x.Raw, x.Floats = nil, make([]float32, 2) })), "got 2 elements"},
		"a negative dimension":                  {model(with(func(x *onnxedit.Tensor) { x.Dims = []int64{-3} })), "fits in memory"},
		"a shape whose product overflows":       {model(with(func(x *onnxedit.Tensor) { x.Dims = []int64{1 << 32, 1 << 32, 3} })), "fits in memory"},
		"an unknown data type":                  {model(with(func(x *onnxedit.Tensor) { x.Type = 99 })), "data type 99"},
		"no data at all":                        {model(with(func(x *onnxedit.Tensor) { x.Raw = nil })), "got 0 elements"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := onnxedit.File(t, c.b)
			_, err := onnxfile.Read(path)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, path)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	_, err := onnxfile.Read(t.TempDir())
	require.Equal(t, fault.Usage, fault.KindOf(err))
	_, err = onnxfile.Read(filepath.Join(t.TempDir(), "absent.onnx"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestEveryPrefixOfAModelIsRefused(t *testing.T) {
	whole := onnxedit.Model{Initializers: []onnxedit.Tensor{good()}, Attribute: []onnxedit.Tensor{good()}}.Bytes()
	for n := range whole {
		m, err := onnxfile.Parse(whole[:n])
		if err == nil {
			err = onnxfile.Check(m) // the cut fell between two fields
		}
		assert.Error(t, err, "%d of %d bytes", n, len(whole))
	}
}

func TestGraphsNestedTooDeepAreRefused(t *testing.T) {
	var graph []byte
	for range 100 {
		graph = field(1, field(5, field(6, graph)))
	}
	_, err := onnxfile.Parse(field(7, graph))
	require.ErrorContains(t, err, "nested")
}

func TestMorePartsThanAnyModelHasAreRefused(t *testing.T) {
	const many = 1<<19 + 1
	for name, graph := range map[string][]byte{
		"nodes":      bytes.Repeat(field(1, nil), many),
		"inputs":     field(1, bytes.Repeat(field(1, nil), many)),
		"outputs":    field(1, bytes.Repeat(field(2, nil), many)),
		"attributes": field(1, bytes.Repeat(field(5, nil), many)),
		"tensors":    bytes.Repeat(field(5, nil), many),
		"values":     bytes.Repeat(field(13, nil), many),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := onnxfile.Parse(field(7, graph))
			require.ErrorContains(t, err, "wanted fewer")
		})
	}
}

func TestFloatsChangesOneTensorInPlace(t *testing.T) {
	other := onnxedit.Tensor{Name: "v", Type: 1, Dims: []int64{1}, Raw: floats(9)}
	b := onnxedit.Model{Initializers: []onnxedit.Tensor{good(), other}}.Bytes()
	n, err := onnxedit.Largest(b, 1<<20)
	require.NoError(t, err)
	require.Equal(t, "w", n)
	require.NoError(t, onnxedit.Floats(b, "w", func(v []float32) { v[1] = 7 }))
	want := good()
	want.Raw = floats(1, 7, 3)
	require.Equal(t, onnxedit.Model{Initializers: []onnxedit.Tensor{want, other}}.Bytes(), b)
	require.Error(t, onnxedit.Floats(b, "absent", func([]float32) {}))
	_, err = onnxedit.Largest(b, 3)
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	for _, b := range hostile(200) {
		f.Add(b())
	}
	f.Add(onnxedit.Model{Initializers: []onnxedit.Tensor{good()}}.Bytes())
	f.Add(onnxedit.Model{Domain: "x", Attribute: []onnxedit.Tensor{good()}, Nested: []onnxedit.Tensor{{Name: "n", External: "e"}}}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnxfile.Parse(b)
		if err != nil {
			return
		}
		for _, x := range m.Initializers {
			if x.Offset < 0 || x.Bytes < 0 || x.Offset+x.Bytes > len(b) {
				t.Fatalf("tensor %q lies at %d+%d of %d bytes", x.Name, x.Offset, x.Bytes, len(b))
			}
		}
		_ = onnxfile.Check(m)
	})
}
