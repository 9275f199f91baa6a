package safetensors

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

func file(head string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	return append(append(b, head...), make([]byte, body)...)
}

// fromF64 makes a tensor of float64 values.
func fromF64(name string, shape []int, v []float64) Tensor {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return Tensor{Name: name, DType: F64, Shape: shape, Data: b}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	in := []Tensor{
		FromI32("ids", []int{3}, []int32{101, -7, 102}),
		fromF64("pooled", []int{2, 2}, []float64{1, -0.5, math.Pi, math.SmallestNonzeroFloat64}),
		FromF32("v", []int{1, 2}, []float32{1.5, -2}),
		FromI64("offsets", []int{2}, []int64{0, math.MinInt64}),
		FromF32("empty", []int{0, 4}, nil),
		FromF32("scalar", nil, []float32{7}),
		{Name: "bytes \"é\" <", DType: U8, Shape: []int{3}, Data: []byte{1, 2, 3}},
	}
	var a, b bytes.Buffer
	require.NoError(t, Write(&a, in, map[string]string{"b": "2", "a": "1"}))
	in[0], in[4] = in[4], in[0]
	require.NoError(t, Write(&b, in, map[string]string{"a": "1", "b": "2"}))
	assert.Equal(t, a.Bytes(), b.Bytes(), "the order of the arguments does not matter")

	f, err := Parse(a.Bytes())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "1", "b": "2"}, f.Meta)
	assert.Len(t, f.Names(), 7)
	ids, shape, err := f.I32("ids")
	require.NoError(t, err)
	assert.Equal(t, []int32{101, -7, 102}, ids)
	assert.Equal(t, []int{3}, shape)
	pooled, shape, err := f.F64("pooled")
	require.NoError(t, err)
	assert.Equal(t, []float64{1, -0.5, math.Pi, math.SmallestNonzeroFloat64}, pooled)
	assert.Equal(t, []int{2, 2}, shape)
	off, _, err := f.I64("offsets")
	require.NoError(t, err)
	assert.Equal(t, []int64{0, math.MinInt64}, off)
	v, _, err := f.F32("v")
	require.NoError(t, err)
	assert.Equal(t, []float32{1.5, -2}, v)
	s, shape, err := f.F32("scalar")
	require.NoError(t, err)
	assert.Equal(t, []float32{7}, s)
	assert.Empty(t, shape)
	raw, ok := f.tensor("bytes \"é\" <")
	require.True(t, ok)
	assert.Equal(t, []byte{1, 2, 3}, raw.Data)
	assert.Zero(t, binary.LittleEndian.Uint64(a.Bytes())%8, "the data is aligned")

	_, _, err = f.F32("pooled")
	assert.ErrorContains(t, err, "F64")
	_, _, err = f.F32("nothing")
	assert.ErrorContains(t, err, "no such tensor")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestAFileOfTheReferenceImplementationIsRead(t *testing.T) {
	// safetensors.numpy.save({"a": np.float32([[1, 2]]), "b": np.int64([3])}, {"format": "pt"})
	head := `{"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}    `
	f, err := Parse(file(head, 16))
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "a"}, f.Names())
	f, err = Parse(file("{}", 0))
	require.NoError(t, err)
	assert.Empty(t, f.Names())
}

func TestAHostileFileIsRefused(t *testing.T) {
	one := func(entry string) string { return `{"a":` + entry + `}` }
	big := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing at all":                    {nil, "at least 8"},
		"a header length alone":             {big[:7], "at least 8"},
		"a header of 2^64-1 bytes":          {append(big, '{'), "at most 4194304"},
		"a header longer than the file":     {append(binary.LittleEndian.AppendUint64(nil, 10), "{}"...), "inside the file"},
		"an empty header":                   {file("", 0), "JSON object"},
		"a header that begins with a space": {file(" {}", 0), "JSON object"},
		"an array for a header":             {file("[]", 0), "JSON object"},
		"broken JSON":                       {file(`{"a":`, 0), "unexpected"},
		"an open object":                    {file(`{`, 0), "unexpected"},
		"a second object after the header":  {file(`{}{}`, 0), "after"},
		"invalid UTF-8":                     {file("{\"\xff\":1}", 0), "UTF-8"},
		"a tensor that is a number":         {file(one(`1`), 0), "wanted '{'"},
		"a tensor without shape":            {file(one(`{"dtype":"F32","data_offsets":[0,4]}`), 4), "shape"},
		"a tensor with an unknown key":      {file(one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}`), 4), "unknown key"},
		"a key in another case":             {file(one(`{"DType":"F32","shape":[1],"data_offsets":[0,4]}`), 4), "unknown key"},
		"a tensor twice":                    {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "twice"},
		"a key twice inside a tensor":       {file(one(`{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}`), 4), "twice"},
		"an unknown data type":              {file(one(`{"dtype":"F7","shape":[1],"data_offsets":[0,4]}`), 4), "F7"},
		"a data type that is no string":     {file(one(`{"dtype":4,"shape":[1],"data_offsets":[0,4]}`), 4), "wanted a string"},
		"a negative dimension":              {file(one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`), 4), "unsigned"},
		"a fraction for a dimension":        {file(one(`{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}`), 4), "unsigned"},
		"a dimension over 63 bits":          {file(one(`{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}`), 4), "too large"},
		"a dimension over 64 bits":          {file(one(`{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}`), 4), "unsigned"},
		"a shape whose product wraps to 4":  {file(one(`{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}`), 16), "overflow"},
		"a shape whose product wraps to 0":  {file(one(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`), 0), "overflow"},
		"nested arrays in a shape":          {file(one(`{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}`), 4), "integer"},
		"three offsets":                     {file(one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}`), 4), "3 data_offsets"},
		"offsets that run backwards":        {file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[4,2]}}`, 4), "inside the file"},
		"offsets past the end":              {file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), 4), "inside the file"},
		"offsets near 2^64":                 {file(one(`{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0]}`), 4), "hole"},
		"fewer bytes than the shape":        {file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), 4), "8 for F32"},
		"a hole at the start":               {file(one(`{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`), 2), "hole"},
		"a hole between two tensors":        {file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), "hole"},
		"two tensors that overlap":          {file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "overlap"},
		"bytes that belong to no tensor":    {file(one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`), 2), "no tensor"},
		"metadata that is not text":         {file(`{"__metadata__":{"a":1}}`, 0), "wanted a string"},
		"metadata twice":                    {file(`{"__metadata__":{},"__metadata__":{}}`, 0), "twice"},
		"a very long name in the complaint": {file(`{"`+strings.Repeat("n", 5000)+`":1}`, 0), "..."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.data)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

func TestWriteRefusesWhatParseWouldRefuse(t *testing.T) {
	ok := FromF32("a", []int{1}, []float32{1})
	for name, ts := range map[string][]Tensor{
		"a name twice":           {ok, ok},
		"no name":                {FromF32("", []int{1}, []float32{1})},
		"the reserved name":      {FromF32(metaKey, []int{1}, []float32{1})},
		"a name that is no text": {FromF32("\xff", []int{1}, []float32{1})},
		"too little data":        {FromF32("a", []int{2}, []float32{1})},
		"an unknown type":        {{Name: "a", DType: "F7"}},
		"a negative dimension":   {{Name: "a", DType: U8, Shape: []int{-1}}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.Error(t, Write(&b, ts, nil))
			assert.Zero(t, b.Len())
		})
	}
}

func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, Write(&b, []Tensor{FromF32("a", []int{1, 2}, []float32{1, 2}), FromI64("b", []int{1}, []int64{1})}, map[string]string{"k": "v"}))
	f.Add(b.Bytes())
	f.Add(file("{}", 0))
	f.Add(file(`{"a":{"dtype":"U8","shape":[2,0,9],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		var total int
		for _, x := range file.tensors {
			total += len(x.Data)
			_, _, _ = file.F32(x.Name)
			_, _, _ = file.F64(x.Name)
			_, _, _ = file.I32(x.Name)
			_, _, _ = file.I64(x.Name)
			if x.Name == "" {
				return // the format allows it, Write does not
			}
		}
		if total > len(data) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
		}
		var out bytes.Buffer
		if err := Write(&out, file.tensors, file.Meta); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Names()) != len(file.Names()) {
			t.Fatal("tensors lost")
		}
	})
}
