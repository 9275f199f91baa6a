package candidate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/pipeline/fault"
)

func manifest() candidate.Manifest {
	return candidate.Manifest{
		Model:     "handmade",
		Source:    candidate.Source{Spec: "dir:handmade", Files: map[string]string{"model.safetensors": strings.Repeat("0", 64)}},
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
	v.Choices = []candidate.Choice{{Weight: "layers.0.w1", Form: candidate.FormInt8, Smoothing: 0.7}, {Weight: "layers.0.w2", Form: candidate.FormBlocks}}
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

func TestSealRefusesALink(t *testing.T) {
	dir := filled(t)
	require.NoError(t, os.Symlink("tokenizer.json", filepath.Join(dir, "link")))
	_, err := candidate.Seal(dir, manifest())
	require.ErrorContains(t, err, "regular file")
}

func TestWriteFileLeavesNothingBesideTheFile(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f")
	require.NoError(t, candidate.WriteFile(p, []byte("one")))
	require.NoError(t, candidate.WriteFile(p, []byte("two")))
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, "two", string(b))
	require.Error(t, candidate.WriteFile(dir, []byte("x")), "a folder is no place for a file")
	e, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, e, 1)
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
