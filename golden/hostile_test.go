package golden_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/fault"
)

// small is a golden of two texts that a test changes. Its digests are always
// right, so that the other checks must find the change.
type small struct {
	texts    string
	tensors  map[string]safetensors.Tensor
	manifest golden.Manifest
}

func newSmall() *small {
	return &small{
		texts: `{"id":"a","group":"g","text":"x"}` + "\n" + `{"id":"b","group":"g","base64":"/w=="}` + "\n",
		tensors: map[string]safetensors.Tensor{
			"ids":      safetensors.FromI32("ids", []int{5}, []int32{101, 7, 102, 101, 102}),
			"offsets":  safetensors.FromI64("offsets", []int{3}, []int64{0, 3, 5}),
			"pooled":   pooled(2, 3, 4, 0, 0),
			"states.b": safetensors.FromF32("states.b", []int{1, 2, 2}, []float32{1, 2, 3, 4}),
			"states.a": safetensors.FromF32("states.a", []int{1, 3, 2}, make([]float32, 6)),
		},
		manifest: golden.Manifest{
			Schema: golden.Schema, Model: "small", Dim: 2, Pooling: "mean", Normalize: true, MaxTokens: 4, Texts: 2,
			Source: map[string]string{"model.safetensors": sum("weights")},
		},
	}
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// pooled is the tensor of the vectors, rows × the length of a row.
func pooled(rows int, v ...float64) safetensors.Tensor {
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err)
	}
	return safetensors.Tensor{Name: "pooled", DType: safetensors.F64, Shape: []int{rows, len(v) / rows}, Data: b}
}

func (s *small) put(x safetensors.Tensor) { s.tensors[x.Name] = x }

func (s *small) write(t testing.TB) string {
	dir := t.TempDir()
	var vectors bytes.Buffer
	var all []safetensors.Tensor
	for _, x := range s.tensors {
		all = append(all, x)
	}
	require.NoError(t, safetensors.Write(&vectors, all, nil))
	if s.manifest.Files == nil {
		s.manifest.Files = map[string]string{golden.TextsName: sum(s.texts), golden.VectorsName: sum(vectors.String())}
	}
	m, err := json.Marshal(s.manifest)
	require.NoError(t, err)
	for name, b := range map[string][]byte{golden.TextsName: []byte(s.texts), golden.VectorsName: vectors.Bytes(), golden.ManifestName: m} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	return dir
}

func TestASmallGoldenIsReadWhole(t *testing.T) {
	s, err := golden.Read(newSmall().write(t))
	require.NoError(t, err)
	assert.Equal(t, [][]int64{{101, 7, 102}, {101, 102}}, s.IDs)
	assert.Equal(t, []byte{0xff}, s.Texts[1].Bytes)
	assert.Equal(t, []float64{0.6, 0.8}, s.Embedding(0))
	assert.Equal(t, []float64{0, 0}, s.Embedding(1), "as torch does, a vector of zeros stays one")
	require.Len(t, s.States, 2)
	assert.Equal(t, golden.State{Text: 1, Layers: 1, Values: []float32{1, 2, 3, 4}}, s.States[1])
	assert.Len(t, s.Digest, 64)
}

func TestAGoldenWithRightDigestsAndWrongContentIsRefused(t *testing.T) {
	f64 := func(v ...float64) safetensors.Tensor { return pooled(2, v...) }
	off := func(v ...int64) safetensors.Tensor { return safetensors.FromI64("offsets", []int{len(v)}, v) }
	for name, c := range map[string]struct {
		spoil func(*small)
		want  string
	}{
		"a NaN":                              {func(s *small) { s.put(f64(1, math.NaN(), 0, 0)) }, "NaN for text a"},
		"an infinity":                        {func(s *small) { s.put(f64(1, 2, math.Inf(-1), 0)) }, "-Inf for text b"},
		"vectors of another dimension":       {func(s *small) { s.put(f64(1, 2, 3, 4, 5, 6)) }, "got shape [2 3]"},
		"vectors for one text more":          {func(s *small) { s.put(pooled(3, make([]float64, 6)...)) }, "got shape [3 2]"},
		"vectors in float32":                 {func(s *small) { s.put(safetensors.FromF32("pooled", []int{2, 2}, make([]float32, 4))) }, "F32"},
		"no vectors":                         {func(s *small) { delete(s.tensors, "pooled") }, "no such tensor"},
		"no ids":                             {func(s *small) { delete(s.tensors, "ids") }, "no such tensor"},
		"an id below zero":                   {func(s *small) { s.put(safetensors.FromI32("ids", []int{5}, []int32{101, -7, 102, 101, 102})) }, "got -7"},
		"one offset too few":                 {func(s *small) { s.put(off(0, 5)) }, "offsets"},
		"offsets that do not begin at zero":  {func(s *small) { s.put(off(1, 3, 5)) }, "offsets"},
		"offsets that end too early":         {func(s *small) { s.put(off(0, 2, 4)) }, "offsets"},
		"offsets that run backwards":         {func(s *small) { s.put(off(0, -3, 5)) }, "-3 tokens"},
		"an offset far outside":              {func(s *small) { s.put(off(0, math.MaxInt64, 5)) }, "tokens for text a"},
		"an offset far below":                {func(s *small) { s.put(off(0, math.MinInt64, 5)) }, "tokens for text a"},
		"a text without [CLS] and [SEP]":     {func(s *small) { s.put(off(0, 4, 5)) }, "1 tokens for text b"},
		"a text longer than the limit":       {func(s *small) { s.manifest.MaxTokens = 2 }, "3 tokens for text a"},
		"an unknown tensor":                  {func(s *small) { s.put(safetensors.FromF32("extra", []int{1}, []float32{1})) }, "extra"},
		"states of a text that is not there": {func(s *small) { s.put(safetensors.FromF32("states.c", []int{1, 2, 2}, make([]float32, 4))) }, "states.c"},
		"states of another length":           {func(s *small) { s.put(safetensors.FromF32("states.b", []int{1, 3, 2}, make([]float32, 6))) }, "got shape [1 3 2]"},
		"states that are no numbers":         {func(s *small) { s.tensors["states.b"].Data[3], s.tensors["states.b"].Data[2] = 0x7f, 0xc0 }, "NaN"},
		"more texts than can be compared": {func(s *small) {
			s.texts, s.manifest.Texts = strings.Repeat(s.texts, 30_000), 60_000
		}, "2048"},
		"a text less than the manifest says": {func(s *small) { s.manifest.Texts = 3 }, "got 2 texts, wanted 3"},
		"an id twice":                        {func(s *small) { s.texts = strings.ReplaceAll(s.texts, `"b"`, `"a"`) }, "an id of its own"},
		"another schema":                     {func(s *small) { s.manifest.Schema = 9 }, "schema: got 9"},
		"no model":                           {func(s *small) { s.manifest.Model = "" }, "model"},
		"a dimension of zero":                {func(s *small) { s.manifest.Dim = 0 }, "dim 0"},
		"a pooling that is unknown":          {func(s *small) { s.manifest.Pooling = "last" }, `"last"`},
		"a cross-check that failed":          {func(s *small) { s.manifest.CrossCheck = 1e-3 }, "cross_check: got 0.001"},
		"a cross-check below zero":           {func(s *small) { s.manifest.CrossCheck = -1 }, "cross_check: got -1"},
		"no source":                          {func(s *small) { s.manifest.Source = nil }, "source"},
		"a source outside its directory":     {func(s *small) { s.manifest.Source["../x"] = sum("x") }, "../x"},
		"a source digest that is none":       {func(s *small) { s.manifest.Source["x"] = "deadbeef" }, "deadbeef"},
		"a third file":                       {func(s *small) { s.manifest.Files = map[string]string{"a": "", "b": "", "c": ""} }, "3 files"},
		"a digest under another file's name": {func(s *small) { s.manifest.Files = map[string]string{"a": sum(""), "b": sum("")} }, "sha256"},
		"another digest": {func(s *small) {
			s.manifest.Files = map[string]string{golden.TextsName: sum(""), golden.VectorsName: sum("")}
		}, "wanted " + sum("")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSmall()
			c.spoil(s)
			_, err := golden.Read(s.write(t))
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			assert.ErrorContains(t, err, "embedgate golden", "it says what to do")
		})
	}
}

func TestAGoldenThatIsNotWholeIsRefused(t *testing.T) {
	for _, name := range []string{golden.TextsName, golden.VectorsName, golden.ManifestName} {
		t.Run("without "+name, func(t *testing.T) {
			dir := newSmall().write(t)
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			_, err := golden.Read(dir)
			require.ErrorContains(t, err, name)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
		t.Run("with a folder for "+name, func(t *testing.T) {
			dir := newSmall().write(t)
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
			_, err := golden.Read(dir)
			require.ErrorContains(t, err, "regular file")
		})
		t.Run("with half of "+name, func(t *testing.T) {
			dir := newSmall().write(t)
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b[:len(b)/2], 0o644))
			_, err = golden.Read(dir)
			require.Error(t, err)
		})
	}
}
