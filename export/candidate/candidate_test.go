package candidate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
)

// emptyObject is the sha256 of "{}".
const emptyObject = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func manifest() candidate.Manifest {
	return candidate.Manifest{
		Model: "handmade",
		Source: candidate.Source{Spec: "dir:handmade", Files: map[string]string{
			"model.safetensors": strings.Repeat("0", 64), "tokenizer.json": emptyObject, "1_Pooling/config.json": emptyObject,
		}},
		Embedding: candidate.Embedding{Pooling: candidate.PoolMean, Normalize: true, MaxTokens: 16, Dimension: 3},
		Versions:  map[string]string{"torch": "1"},
		Variants:  map[string]candidate.Variant{"fp32": {File: "fp32.onnx", Precision: candidate.FP32, Opset: 18, Forward: "plain"}},
	}
}

func put(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	p := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o777))
	require.NoError(t, os.WriteFile(p, b, 0o666))
}

func filled(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "fp32.onnx", onnxedit.Model{}.Bytes())
	put(t, dir, "tokenizer.json", []byte("{}"))
	put(t, dir, "1_Pooling/config.json", []byte("{}"))
	return dir
}

func sealed(t testing.TB) candidate.Candidate {
	t.Helper()
	c, err := candidate.Seal(filled(t), manifest())
	require.NoError(t, err)
	return c
}

func TestASealedCandidateReadsBackAndHasTheSameBytesEverywhere(t *testing.T) {
	a, b := sealed(t), sealed(t)
	require.Equal(t, a.Digest, b.Digest)
	require.Equal(t, a.Manifest, b.Manifest)
	got, err := candidate.Read(a.Dir)
	require.NoError(t, err)
	require.Equal(t, a, got)
	require.Len(t, got.Manifest.Files, 3)
	require.Contains(t, got.Manifest.Files, "1_Pooling/config.json")
	x, err := os.ReadFile(filepath.Join(a.Dir, candidate.ManifestName))
	require.NoError(t, err)
	require.NotContains(t, string(x), a.Dir)
	again, err := candidate.Seal(a.Dir, a.Manifest)
	require.NoError(t, err)
	require.Equal(t, a.Digest, again.Digest, "sealing twice changes nothing")
}

func TestChoicesAreKept(t *testing.T) {
	m := manifest()
	v := m.Variants["fp32"]
	v.Choices = []candidate.Choice{{Weight: "layers.0.w1", Form: candidate.FormInt8, Smoothing: 0.7}, {Weight: "layers.0.w2", Form: candidate.FormInt8, Outliers: []int{0, 7}}, {Weight: "word", Form: candidate.FormRows}}
	m.Variants = map[string]candidate.Variant{"fp32": v}
	c, err := candidate.Seal(filled(t), m)
	require.NoError(t, err)
	require.Equal(t, v.Choices, c.Manifest.Variants["fp32"].Choices)
}

func TestReadRefusesACandidate(t *testing.T) {
	edit := func(change func(m map[string]any)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			p := filepath.Join(dir, candidate.ManifestName)
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			m := map[string]any{}
			require.NoError(t, json.Unmarshal(b, &m))
			change(m)
			b, err = json.Marshal(m)
			require.NoError(t, err)
			put(t, dir, candidate.ManifestName, b)
		}
	}
	files := func(m map[string]any) map[string]any { return m["files"].(map[string]any) }
	cases := map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"with one byte of the model flipped": {func(t *testing.T, dir string) {
			p := filepath.Join(dir, "fp32.onnx")
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			b[len(b)/2] ^= 1
			require.NoError(t, os.WriteFile(p, b, 0o666))
		}, "fp32.onnx: got sha256"},
		"with a file more": {func(t *testing.T, dir string) { put(t, dir, "1_Pooling/more.bin", nil) }, "got 1_Pooling/more.bin"},
		"with a file less": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "tokenizer.json")))
		}, "got no tokenizer.json"},
		"with a link in place of a file": {func(t *testing.T, dir string) {
			p, away := filepath.Join(dir, "tokenizer.json"), filepath.Join(t.TempDir(), "t")
			require.NoError(t, os.Rename(p, away))
			require.NoError(t, os.Symlink(away, p))
		}, "wanted a regular file"},
		"with a linked folder beside": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(dir, "extra")))
		}, "got extra"},
		"whose folder is a link": {func(t *testing.T, dir string) {
			p, away := filepath.Join(dir, "1_Pooling"), filepath.Join(t.TempDir(), "p")
			require.NoError(t, os.Rename(p, away))
			require.NoError(t, os.Symlink(away, p))
		}, "got 1_Pooling"},
		"whose manifest is a link": {func(t *testing.T, dir string) {
			p, away := filepath.Join(dir, candidate.ManifestName), filepath.Join(t.TempDir(), "m")
			require.NoError(t, os.Rename(p, away))
			require.NoError(t, os.Symlink(away, p))
		}, "wanted a regular file"},
		"whose model has other inputs than it claims": {edit(func(m map[string]any) {
			in := m["variants"].(map[string]any)["fp32"].(map[string]any)["inputs"].([]any)[0].(map[string]any)
			in["shape"] = []any{"1", "16"} // a fixed length skips the budgets of longer ones
		}), "got inputs x float32[batch,3], wanted x float32[1,16]"},
		"whose model has other outputs than it claims": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["outputs"].([]any)[0].(map[string]any)["type"] = "float16"
		}), "got outputs y float32[batch,3]"},
		"whose model has no output that it claims": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["outputs"] = []any{}
		}), "got outputs y float32[batch,3]"},
		"of another opset than it claims": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["opset"] = 20
		}), "got opset 18, wanted 20"},
		"of another class than its weights": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["precision"] = "int8"
		}), "got no tensor of int8"},
		"of a class that nothing in it has": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["precision"] = "fp16"
		}), "got no tensor of float16"},
		"of another dimension than its outputs": {edit(func(m map[string]any) {
			m["embedding"].(map[string]any)["dimension"] = 384
		}), "last axis is the embedding's 384"},
		"with a file that the source has not": {edit(func(m map[string]any) {
			delete(m["source"].(map[string]any)["files"].(map[string]any), "1_Pooling/config.json")
		}), "not in source.files"},
		"with another file than the source's": {edit(func(m map[string]any) {
			m["source"].(map[string]any)["files"].(map[string]any)["tokenizer.json"] = strings.Repeat("1", 64)
		}), "as source.files says"},
		"with code": {func(t *testing.T, dir string) {
			put(t, dir, "modeling.py", []byte("{}"))
			edit(func(m map[string]any) {
				files(m)["modeling.py"] = files(m)["tokenizer.json"]
				m["source"].(map[string]any)["files"].(map[string]any)["modeling.py"] = emptyObject
			})(t, dir)
		}, `got "modeling.py"`},
		"with two variants in one file": {edit(func(m map[string]any) {
			v := m["variants"].(map[string]any)
			v["int8"] = v["fp32"]
		}), "wanted one of its own"},
		"with more files than any model": {edit(func(m map[string]any) {
			for i := range 1001 {
				files(m)[fmt.Sprintf("f%d.json", i)] = files(m)["tokenizer.json"]
			}
		}), "got 1004"},
		"that names a file outside":    {edit(func(m map[string]any) { files(m)["../outside"] = files(m)["tokenizer.json"] }), `got "../outside"`},
		"that names an absolute path":  {edit(func(m map[string]any) { files(m)["/etc/passwd"] = files(m)["tokenizer.json"] }), "inside the candidate"},
		"that names a path of Windows": {edit(func(m map[string]any) { files(m)[`a\..\..\b`] = files(m)["tokenizer.json"] }), "inside the candidate"},
		"that names its own manifest":  {edit(func(m map[string]any) { files(m)[candidate.ManifestName] = files(m)["tokenizer.json"] }), "inside the candidate"},
		"whose variant names no file": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["file"] = "../../x.onnx"
		}), "wanted one of files"},
		"with a choice that nobody knows": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["choices"] = []any{map[string]any{"weight": "w", "form": "int4"}}
		}), "choices"},
		"with a choice that says more": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["choices"] = []any{map[string]any{"weight": "w", "form": "int8", "bits": 8}}
		}), "bits"},
		"with a choice smoothed beyond all": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["choices"] = []any{map[string]any{"weight": "w", "form": "int8", "smoothing": 1.5}}
		}), "smoothing"},
		"with a unit chosen twice": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["choices"] = []any{map[string]any{"weight": "w", "form": "int8", "outliers": []int{3, 3}}}
		}), "rising order"},
		"with a unit below none": {edit(func(m map[string]any) {
			m["variants"].(map[string]any)["fp32"].(map[string]any)["choices"] = []any{map[string]any{"weight": "w", "form": "int8", "outliers": []int{-1}}}
		}), "rising order"},
		"of another schema":     {edit(func(m map[string]any) { m["schema"] = 2 }), "schema: got 2"},
		"with an unknown field": {edit(func(m map[string]any) { m["extra"] = 2 }), "extra"},
		"without variants":      {edit(func(m map[string]any) { m["variants"] = map[string]any{} }), "variants: got none"},
		"of an unknown pooling": {edit(func(m map[string]any) { m["embedding"].(map[string]any)["pooling"] = "sum" }), "embedding"},
		"of a dimension of 0":   {edit(func(m map[string]any) { m["embedding"].(map[string]any)["dimension"] = 0 }), "embedding"},
		"without a tokenizer":   {edit(func(m map[string]any) { delete(files(m), "tokenizer.json") }), "no tokenizer.json"},
		"with two manifests in one": {func(t *testing.T, dir string) {
			p := filepath.Join(dir, candidate.ManifestName)
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			put(t, dir, candidate.ManifestName, append(b, b...))
		}, "more after"},
		"without a manifest": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, candidate.ManifestName)))
		}, "candidate.json"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := sealed(t).Dir
			c.spoil(t, dir)
			_, err := candidate.Read(dir)
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestADirectoryThatIsNotThereIsRefused(t *testing.T) {
	_, err := candidate.Read(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestSealRefusesAModelThatNoRuntimeMayBeGiven(t *testing.T) {
	dir := filled(t)
	put(t, dir, "fp32.onnx", onnxedit.Model{Initializers: []onnxedit.Tensor{{Name: "w", Type: 1, External: "/etc/passwd"}}}.Bytes())
	_, err := candidate.Seal(dir, manifest())
	require.ErrorContains(t, err, "external data")
	require.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestSealSaysOfAModelWhatTheFileDoes(t *testing.T) {
	m := manifest()
	v := m.Variants["fp32"]
	v.Opset, v.Inputs = 7, []candidate.Tensor{{Name: "input_ids", Type: "int64", Shape: []string{"1", "16"}}}
	m.Variants["fp32"] = v
	c, err := candidate.Seal(filled(t), m)
	require.NoError(t, err)
	got := c.Manifest.Variants["fp32"]
	require.Equal(t, 18, got.Opset)
	require.Equal(t, []candidate.Tensor{{Name: "x", Type: "float32", Shape: []string{"batch", "3"}}}, got.Inputs)
}

func TestReadHoldsTheClassAgainstTheWeights(t *testing.T) {
	for name, c := range map[string]struct {
		class   candidate.Precision
		forward string
		types   []int32
		want    string
	}{
		"fp32 of float32":           {candidate.FP32, "plain", []int32{1, 7}, ""},
		"fp32 with a half matrix":   {candidate.FP32, "plain", []int32{1, 10}, "of float16"},
		"fp32 with an int8 matrix":  {candidate.FP32, "plain", []int32{1, 3}, "of int8"},
		"fp16 of float16":           {candidate.FP16, "plain", []int32{10, 1}, ""},
		"fp16 with an int8 matrix":  {candidate.FP16, "plain", []int32{10, 2}, "of uint8"},
		"int8 with some of float32": {candidate.INT8, "plain", []int32{3, 1}, ""},
		"a foreign file":            {candidate.FP32, "foreign", []int32{3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var weights []onnxedit.Tensor
			for i, typ := range c.types {
				size := map[int32]int{1: 4, 7: 8, 10: 2, 3: 1, 2: 1}[typ]
				weights = append(weights, onnxedit.Tensor{Name: fmt.Sprint("w", i), Type: typ, Dims: []int64{2, 2}, Raw: make([]byte, 4*size)})
			}
			dir := filled(t)
			put(t, dir, "fp32.onnx", onnxedit.Model{Initializers: weights}.Bytes())
			m := manifest()
			v := m.Variants["fp32"]
			v.Precision, v.Forward = c.class, c.forward
			m.Variants["fp32"] = v
			_, err := candidate.Seal(dir, m)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestSealRefusesALink(t *testing.T) {
	dir := filled(t)
	require.NoError(t, os.Symlink("tokenizer.json", filepath.Join(dir, "link")))
	_, err := candidate.Seal(dir, manifest())
	require.ErrorContains(t, err, "regular file")
}

func FuzzParseManifest(f *testing.F) {
	m := manifest()
	m.Schema, m.Files = candidate.Schema, map[string]candidate.File{"fp32.onnx": {}, "tokenizer.json": {}}
	b, err := json.Marshal(m)
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"schema":1,"files":{"..":{}}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := candidate.ParseManifest(b)
		if err != nil {
			return
		}
		for name := range m.Files {
			if !filepath.IsLocal(name) {
				t.Fatalf("accepted %q", name)
			}
		}
		out, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = candidate.ParseManifest(out)
		require.NoError(t, err)
	})
}
