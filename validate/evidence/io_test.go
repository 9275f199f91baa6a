package evidence_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/validatetest"
)

func TestEvidenceIsReadBackAsItWasWritten(t *testing.T) {
	in := validatetest.SmallInput(t)
	e := in.Evidence[0]
	e.Machine = evidence.Machine{OS: "linux", CPU: "a <fast> one", InstructionSets: []string{evidence.AVX2}}
	e.Raw.Primary[0] = float32(math.NaN()) // a broken model's values are kept
	dir := validatetest.WriteEvidence(t, e)
	got, err := evidence.Read(dir)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, evidence.FileName))
	require.NoError(t, err)
	assert.Equal(t, files.HashBytes(data), got.Digest)
	assert.Equal(t, got.VectorsSHA256, got.Raw.SHA256)
	assert.True(t, math.IsNaN(float64(got.Raw.Primary[0])))
	assert.Equal(t, e.Raw.IDs, got.Raw.IDs)
	assert.Len(t, got.Raw.Invariance, 4)
	assert.Equal(t, e.Latency, got.Latency)

	again := validatetest.WriteEvidence(t, got)
	for _, name := range []string{evidence.FileName, evidence.VectorsName} {
		a, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(a, b), "%s is the same bytes again", name)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "no temporary file stays behind")
}

func TestEvidenceWithoutAMeasurementHasNoVectors(t *testing.T) {
	dir := validatetest.WriteEvidence(t, validatetest.SmallInput(t).Evidence[0])
	e := evidence.Evidence{Provider: "cuda", NotMeasured: &evidence.NotMeasured{Reason: "no GPU", Remedy: "find one"}}
	require.NoError(t, evidence.Write(dir, e), "older evidence is replaced")
	got, err := evidence.Read(dir)
	require.NoError(t, err)
	assert.Equal(t, e.NotMeasured, got.NotMeasured)
	assert.True(t, got.Raw.Empty())
	require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.VectorsName), nil, 0o600))
	_, err = evidence.Read(dir)
	assert.ErrorContains(t, err, "wanted no such file")
}

func TestStderrThatIsNoTextIsKeptReadable(t *testing.T) {
	dir := validatetest.WriteEvidence(t, evidence.Evidence{Crash: &evidence.Crash{Stderr: "bad \xff\xfe byte"}})
	e, err := evidence.Read(dir)
	require.NoError(t, err)
	assert.Equal(t, "bad \ufffd\ufffd byte", e.Crash.Stderr)
	a, err := os.ReadFile(filepath.Join(dir, evidence.FileName))
	require.NoError(t, err)
	require.NoError(t, evidence.Write(dir, e))
	b, err := os.ReadFile(filepath.Join(dir, evidence.FileName))
	require.NoError(t, err)
	assert.Equal(t, string(a), string(b))
}

func TestHostileEvidenceJSONIsRefused(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(validatetest.WriteEvidence(t, validatetest.SmallInput(t).Evidence[0]), evidence.FileName))
	require.NoError(t, err)
	swap := func(a, b string) string {
		require.Contains(t, string(good), a)
		return strings.Replace(string(good), a, b, 1)
	}
	for name, c := range map[string]struct{ data, want string }{
		"nothing":                  {"", "unexpected EOF"},
		"no JSON":                  {"hello", "invalid character"},
		"cut short":                {string(good[:len(good)/2]), "unexpected EOF"},
		"an unknown key":           {swap(`"nonce"`, `"nonsense"`), `unknown field "nonsense"`},
		"an unknown nested key":    {swap(`"cores"`, `"hearts"`), `unknown field "hearts"`},
		"a key twice":              {swap(`"nonce"`, `"policy": "x", "nonce"`), `key "policy" appears twice`},
		"a key twice in two cases": {swap(`"nonce"`, `"Policy": "x", "nonce"`), `key "policy" appears twice`},
		"a number too large":       {swap(`"useful_tokens": 224`, `"useful_tokens": 9223372036854775808`), "wanted a whole number"},
		"a fraction of a sample":   {swap(`"samples": 300`, `"samples": 300.5`), "wanted a whole number"},
		"a second value":           {string(good) + "{}", "got more after"},
		"another schema":           {swap(`"schema": 1`, `"schema": 2`), "got schema 2, wanted schema 1"},
		"too deep":                 {strings.Repeat("[", 1000), "nested more than 64 deep"},
		"an array":                 {"[]", "got an array"},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, evidence.FileName), []byte(c.data), 0o600))
		_, err := evidence.Read(dir)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.ErrorContains(t, err, filepath.Join(dir, evidence.FileName), name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}

func TestAFlippedByteAnywhereInTheVectorsIsFound(t *testing.T) {
	dir := validatetest.WriteEvidence(t, validatetest.SmallInput(t).Evidence[0])
	path := filepath.Join(dir, evidence.VectorsName)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 0; at < len(good); at += len(good)/97 + 1 {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, err := evidence.Read(dir)
		require.ErrorContains(t, err, evidence.VectorsName+": got sha256", "byte %d", at)
	}
	require.NoError(t, os.Remove(path))
	_, err = evidence.Read(dir)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestOnlyRegularFilesOfABoundedSizeAreRead(t *testing.T) {
	dir := validatetest.WriteEvidence(t, validatetest.SmallInput(t).Evidence[0])
	moved := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(filepath.Join(dir, evidence.VectorsName), moved))
	require.NoError(t, os.Symlink(moved, filepath.Join(dir, evidence.VectorsName)))
	_, err := evidence.Read(dir)
	assert.ErrorContains(t, err, "got a symbolic link, wanted a regular file")

	require.NoError(t, os.Remove(filepath.Join(dir, evidence.FileName)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, evidence.FileName), 0o700))
	_, err = evidence.Read(dir)
	assert.ErrorContains(t, err, "got a directory")

	big := t.TempDir()
	f, err := os.Create(filepath.Join(big, evidence.FileName))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(evidence.MaxEvidence+1)) // a hole: no such bytes are written
	require.NoError(t, f.Close())
	_, err = evidence.Read(big)
	assert.ErrorContains(t, err, "more than 4 MiB")

	_, err = evidence.Read(filepath.Join(big, "absent"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestHostileVectorsAreRefused(t *testing.T) {
	base := func() map[string]safetensors.Tensor {
		return map[string]safetensors.Tensor{
			"vectors":              safetensors.FromF32("vectors", []int{2, 3}, make([]float32, 6)),
			"ids":                  safetensors.FromI32("ids", []int{4}, []int32{1, 2, 3, 4}),
			"offsets":              safetensors.FromI64("offsets", []int{3}, []int64{0, 1, 4}),
			"invariance.x.rows":    safetensors.FromI64("invariance.x.rows", []int{1}, []int64{1}),
			"invariance.x.vectors": safetensors.FromF32("invariance.x.vectors", []int{1, 3}, make([]float32, 3)),
		}
	}
	pack := func(all map[string]safetensors.Tensor, meta map[string]string) []byte {
		var list []safetensors.Tensor
		for _, x := range all {
			list = append(list, x)
		}
		var b bytes.Buffer
		require.NoError(t, safetensors.Write(&b, list, meta))
		return b.Bytes()
	}
	v, err := evidence.DecodeVectors(pack(base(), nil))
	require.NoError(t, err)
	assert.Equal(t, [][]int64{{1}, {2, 3, 4}}, v.IDs)
	_, err = evidence.DecodeVectors(pack(base(), map[string]string{"a": "b"}))
	assert.ErrorContains(t, err, "metadata")

	f32, i64, i32 := safetensors.FromF32, safetensors.FromI64, safetensors.FromI32
	for name, c := range map[string]struct {
		drop string
		put  safetensors.Tensor
		want string
	}{
		"no vectors":                 {"vectors", safetensors.Tensor{}, `"vectors"`},
		"no ids":                     {"ids", safetensors.Tensor{}, `"ids"`},
		"no offsets":                 {"offsets", safetensors.Tensor{}, `"offsets"`},
		"vectors of another type":    {"vectors", safetensors.Tensor{Name: "vectors", DType: safetensors.F64, Shape: []int{1, 3}, Data: make([]byte, 3*8)}, "F64"},
		"vectors in one dimension":   {"vectors", f32("vectors", []int{6}, make([]float32, 6)), "two dimensions"},
		"ids in two dimensions":      {"ids", i32("ids", []int{2, 2}, make([]int32, 4)), "one dimension"},
		"offsets that fall":          {"offsets", i64("offsets", []int{3}, []int64{0, 5, 4}), "rising"},
		"offsets past the end":       {"offsets", i64("offsets", []int{2}, []int64{0, 5}), "rising"},
		"offsets before the start":   {"offsets", i64("offsets", []int{2}, []int64{-1, 4}), "rising"},
		"no offset":                  {"offsets", i64("offsets", []int{0}, nil), "rising"},
		"a negative row":             {"invariance.x.rows", i64("invariance.x.rows", []int{1}, []int64{-1}), "row -1"},
		"a huge row":                 {"invariance.x.rows", i64("invariance.x.rows", []int{1}, []int64{math.MaxInt64}), "an index"},
		"rows in two dimensions":     {"invariance.x.rows", i64("invariance.x.rows", []int{1, 1}, []int64{1}), "one dimension"},
		"rows without vectors":       {"invariance.x.vectors", safetensors.Tensor{}, "no such tensor"},
		"vectors without rows":       {"invariance.x.rows", safetensors.Tensor{}, "no other"},
		"more rows than vectors":     {"invariance.x.rows", i64("invariance.x.rows", []int{2}, []int64{0, 1}), "2 rows of 3"},
		"rows of another width":      {"invariance.x.vectors", f32("invariance.x.vectors", []int{3, 1}, make([]float32, 3)), "rows of 1"},
		"an unknown tensor":          {"", f32("extra", []int{1}, make([]float32, 1)), "no other"},
		"an odd name of a run":       {"", i64("invariance.../x.rows", []int{0}, nil), "odd name"},
		"a run without a name":       {"", i64("invariance..rows", []int{0}, nil), "odd name"},
		"more rows than fit at once": {"vectors", f32("vectors", []int{1 << 40, 0}, nil), "rows of 3"},
	} {
		all := base()
		delete(all, c.drop)
		if c.put.Name != "" {
			all[c.put.Name] = c.put
		}
		_, err := evidence.DecodeVectors(pack(all, nil))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
	_, err = evidence.DecodeVectors([]byte("short"))
	assert.Error(t, err)
}

func TestInvalidVectorsAreNotWritten(t *testing.T) {
	for name, v := range map[string]evidence.Vectors{
		"a ragged matrix":         {Dim: 3, Primary: make([]float32, 4)},
		"no dimension":            {Primary: make([]float32, 4)},
		"an id over 32 bits":      {Dim: 1, IDs: [][]int64{{1 << 40}}},
		"an odd name":             {Dim: 1, Invariance: []evidence.InvarianceRun{{Name: "A b"}}},
		"a name twice":            {Dim: 1, Invariance: []evidence.InvarianceRun{{Name: "a"}, {Name: "a"}}},
		"a ragged invariance run": {Dim: 3, Invariance: []evidence.InvarianceRun{{Name: "a", Vecs: make([]float32, 4)}}},
	} {
		dir := t.TempDir()
		assert.Error(t, evidence.Write(dir, evidence.Evidence{Raw: v}), name)
		_, err := os.Stat(filepath.Join(dir, evidence.FileName))
		assert.ErrorIs(t, err, os.ErrNotExist, "%s: no evidence is left", name)
	}
}

func FuzzEvidenceJSON(f *testing.F) {
	data, err := strictjson.Encode(validatetest.TinyInput(f).Evidence[0])
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"schema":1,"latency":[{"tokens":1,"samples_ns":[1]}]}`))
	f.Add([]byte(`{"schema":1,"not_measured":{"reason":"x","remedy":"y"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := evidence.Parse(data)
		if err != nil {
			return
		}
		once, err := strictjson.Encode(e)
		require.NoError(t, err)
		back, err := evidence.Parse(once)
		require.NoError(t, err, "what was read can be written and read again")
		twice, err := strictjson.Encode(back)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}
