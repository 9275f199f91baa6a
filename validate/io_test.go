package validate

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/fault"
)

func writeEvidence(t testing.TB, e Evidence) string {
	dir := filepath.Join(t.TempDir(), "new", "cpu-fp32")
	require.NoError(t, WriteEvidence(dir, e))
	return dir
}

func TestEvidenceIsReadBackAsItWasWritten(t *testing.T) {
	in := smallInput(t)
	e := in.Evidence[0]
	e.Machine = Machine{OS: "linux", CPU: "a <fast> one", InstructionSets: []string{AVX2}}
	e.Raw.Primary[0] = float32(math.NaN()) // what a broken model gives is kept
	dir := writeEvidence(t, e)
	got, err := ReadEvidence(dir)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(dir, EvidenceName))
	require.NoError(t, err)
	assert.Equal(t, digest(data), got.Digest)
	assert.Equal(t, got.VectorsSHA256, got.Raw.SHA256)
	assert.True(t, math.IsNaN(float64(got.Raw.Primary[0])))
	assert.Equal(t, e.Raw.IDs, got.Raw.IDs)
	assert.Len(t, got.Raw.Invariance, 4)
	assert.Equal(t, e.Latency, got.Latency)

	again := writeEvidence(t, got)
	for _, name := range []string{EvidenceName, VectorsName} {
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

func TestEvidenceThatWasReadPassesTheGate(t *testing.T) {
	in := smallInput(t)
	e, err := ReadEvidence(writeEvidence(t, in.Evidence[0]))
	require.NoError(t, err)
	in.Evidence = []Evidence{e}
	v := gate(t, in)
	assert.Equal(t, Pass, v.Result)
	assert.Equal(t, e.Digest, v.Rows[0].Evidence)
}

func TestEvidenceOfNothingHasNoVectors(t *testing.T) {
	dir := writeEvidence(t, smallInput(t).Evidence[0])
	e := Evidence{Provider: "cuda", NotMeasured: &NotMeasured{Reason: "no GPU", Remedy: "find one"}}
	require.NoError(t, WriteEvidence(dir, e), "older evidence is replaced")
	got, err := ReadEvidence(dir)
	require.NoError(t, err)
	assert.Equal(t, e.NotMeasured, got.NotMeasured)
	assert.True(t, got.Raw.Empty())
	require.NoError(t, os.WriteFile(filepath.Join(dir, VectorsName), nil, 0o600))
	_, err = ReadEvidence(dir)
	assert.ErrorContains(t, err, "wanted no such file")
}

func TestStderrThatIsNoTextIsKeptReadable(t *testing.T) {
	dir := writeEvidence(t, Evidence{Crash: &Crash{Stderr: "bad \xff\xfe byte"}})
	e, err := ReadEvidence(dir)
	require.NoError(t, err)
	assert.Equal(t, "bad \ufffd\ufffd byte", e.Crash.Stderr)
	a, err := os.ReadFile(filepath.Join(dir, EvidenceName))
	require.NoError(t, err)
	require.NoError(t, WriteEvidence(dir, e))
	b, err := os.ReadFile(filepath.Join(dir, EvidenceName))
	require.NoError(t, err)
	assert.Equal(t, string(a), string(b))
}

func TestHostileEvidenceJSONIsRefused(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(writeEvidence(t, smallInput(t).Evidence[0]), EvidenceName))
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
		"an unknown key deep down": {swap(`"cores"`, `"hearts"`), `unknown field "hearts"`},
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
		require.NoError(t, os.WriteFile(filepath.Join(dir, EvidenceName), []byte(c.data), 0o600))
		_, err := ReadEvidence(dir)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.ErrorContains(t, err, filepath.Join(dir, EvidenceName), name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}

func TestAFlippedByteAnywhereInTheVectorsIsFound(t *testing.T) {
	dir := writeEvidence(t, smallInput(t).Evidence[0])
	path := filepath.Join(dir, VectorsName)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := 0; at < len(good); at += len(good)/97 + 1 {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, err := ReadEvidence(dir)
		require.ErrorContains(t, err, VectorsName+": got sha256", "byte %d", at)
	}
	require.NoError(t, os.Remove(path))
	_, err = ReadEvidence(dir)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestOnlyRegularFilesOfABoundedSizeAreRead(t *testing.T) {
	dir := writeEvidence(t, smallInput(t).Evidence[0])
	moved := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(filepath.Join(dir, VectorsName), moved))
	require.NoError(t, os.Symlink(moved, filepath.Join(dir, VectorsName)))
	_, err := ReadEvidence(dir)
	assert.ErrorContains(t, err, "got a symbolic link, wanted a regular file")

	require.NoError(t, os.Remove(filepath.Join(dir, EvidenceName)))
	require.NoError(t, os.Mkdir(filepath.Join(dir, EvidenceName), 0o700))
	_, err = ReadEvidence(dir)
	assert.ErrorContains(t, err, "got a directory")

	big := t.TempDir()
	f, err := os.Create(filepath.Join(big, EvidenceName))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(maxEvidence+1)) // a hole: no such bytes are written
	require.NoError(t, f.Close())
	_, err = ReadEvidence(big)
	assert.ErrorContains(t, err, "more than 4 MiB")

	_, err = ReadEvidence(filepath.Join(big, "absent"))
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
	v, err := decodeVectors(pack(base(), nil))
	require.NoError(t, err)
	assert.Equal(t, [][]int64{{1}, {2, 3, 4}}, v.IDs)
	_, err = decodeVectors(pack(base(), map[string]string{"a": "b"}))
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
		"vectors of another type":    {"vectors", safetensors.FromF64("vectors", []int{1, 3}, make([]float64, 3)), "F64"},
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
		"a tensor that belongs not":  {"", f32("extra", []int{1}, make([]float32, 1)), "no other"},
		"an odd name of a run":       {"", i64("invariance.../x.rows", []int{0}, nil), "odd name"},
		"a run without a name":       {"", i64("invariance..rows", []int{0}, nil), "odd name"},
		"more rows than fit at once": {"vectors", f32("vectors", []int{1 << 40, 0}, nil), "rows of 3"},
	} {
		all := base()
		delete(all, c.drop)
		if c.put.Name != "" {
			all[c.put.Name] = c.put
		}
		_, err := decodeVectors(pack(all, nil))
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
	_, err = decodeVectors([]byte("short"))
	assert.Error(t, err)
}

func TestVectorsThatAreNoneAreNotWritten(t *testing.T) {
	for name, v := range map[string]Vectors{
		"a ragged matrix":         {Dim: 3, Primary: make([]float32, 4)},
		"no dimension":            {Primary: make([]float32, 4)},
		"an id over 32 bits":      {Dim: 1, IDs: [][]int64{{1 << 40}}},
		"an odd name":             {Dim: 1, Invariance: []InvarianceRun{{Name: "A b"}}},
		"a name twice":            {Dim: 1, Invariance: []InvarianceRun{{Name: "a"}, {Name: "a"}}},
		"a ragged invariance run": {Dim: 3, Invariance: []InvarianceRun{{Name: "a", Vecs: make([]float32, 4)}}},
	} {
		dir := t.TempDir()
		assert.Error(t, WriteEvidence(dir, Evidence{Raw: v}), name)
		_, err := os.Stat(filepath.Join(dir, EvidenceName))
		assert.ErrorIs(t, err, os.ErrNotExist, "%s: no evidence is left", name)
	}
}

func TestAVerdictIsReadBackAsItWasWritten(t *testing.T) {
	v := gate(t, smallInput(t))
	path := filepath.Join(t.TempDir(), "out", "verdict.json")
	require.NoError(t, WriteVerdict(path, v))
	got, err := ReadVerdict(path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, digest(data), got.Digest)
	again, err := EncodeVerdict(got)
	require.NoError(t, err)
	assert.Equal(t, string(data), string(again))
	got.Digest = ""
	assert.Equal(t, v, got)

	for name, c := range map[string]struct{ a, b, want string }{
		"an unknown result":              {`"result": "PASS"`, `"result": "OK"`, `unknown result "OK"`},
		"an unknown result of a finding": {`"result": "REPORTED"`, `"result": "MAYBE"`, `unknown result "MAYBE"`},
		"an unknown key":                 {`"channel"`, `"chanel"`, "unknown field"},
		"another schema":                 {`"schema": 1`, `"schema": 9`, "schema 9"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), c.a, c.b, 1)), 0o600))
		_, err := ReadVerdict(path)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}

// tinyInput is small enough for a fuzzer to get somewhere.
func tinyInput(t testing.TB) Input {
	in := smallInput(t)
	g := &in.Golden
	g.Texts, g.IDs, g.Dim = g.Texts[44:50], g.IDs[44:50], 3
	g.Pooled = g.Pooled[:6*3]
	in.Candidate.Manifest.Embedding.Dimension = 3
	in.Policy.Latency.Launches, in.Policy.Latency.Samples = 1, 4
	in.Policy.Latency.Budgets = in.Policy.Latency.Budgets[:1]
	e := evidenceFor(t, in, "cpu", "fp32")
	e.Latency[0].CalibrationNS = e.Latency[0].CalibrationNS[:2]
	in.Evidence = []Evidence{e}
	return in
}

func FuzzEvidenceJSON(f *testing.F) {
	data, err := encode(tinyInput(f).Evidence[0])
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"schema":1,"latency":[{"tokens":1,"samples_ns":[1]}]}`))
	f.Add([]byte(`{"schema":1,"not_measured":{"reason":"x","remedy":"y"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEvidence(data)
		if err != nil {
			return
		}
		once, err := encode(e)
		require.NoError(t, err)
		back, err := parseEvidence(once)
		require.NoError(t, err, "what was read can be written and read again")
		twice, err := encode(back)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

// FuzzEvidenceDir also shows what was read to the gate, which must not panic on
// anything that can be read.
func FuzzEvidenceDir(f *testing.F) {
	in := tinyInput(f)
	dir := writeEvidence(f, in.Evidence[0])
	vectors, err := os.ReadFile(filepath.Join(dir, VectorsName))
	require.NoError(f, err)
	data, err := os.ReadFile(filepath.Join(dir, EvidenceName))
	require.NoError(f, err)
	f.Add(data, vectors)
	f.Add(data, vectors[:100])
	f.Add([]byte(`{"schema":1,"provider":"cpu","variant":"fp32","crash":{"stage":"","exit":1,"stderr":""}}`), []byte{})
	whole, err := newReference(in.Golden)
	require.NoError(f, err)
	r := newReferences(whole)
	f.Fuzz(func(t *testing.T, data, vectors []byte) {
		dir := t.TempDir()
		// The digest is put right, or nothing behind it would be reached.
		if e, err := parseEvidence(data); err == nil && len(vectors) > 0 {
			e.VectorsSHA256 = digest(vectors)
			if data, err = json.Marshal(e); err != nil {
				return
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, EvidenceName), data, 0o600))
		if len(vectors) > 0 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, VectorsName), vectors, 0o600))
		}
		e, err := ReadEvidence(dir)
		if err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
			return
		}
		k := rowKey{provider: e.Provider, variant: e.Variant}
		judge := in
		judge.Evidence = []Evidence{e}
		row, _ := judge.judge(checks(), r, k)
		require.NotEmpty(t, row.Findings)
		_, err = json.Marshal(row)
		require.NoError(t, err)
	})
}
