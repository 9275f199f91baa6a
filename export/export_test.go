package export_test

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
)

// tiny returns options that export a tiny model in a cache of its own; the
// source lies in a folder of its own too.
func tiny(t *testing.T) export.Options {
	t.Helper()
	dir, files := exporttest.TinyModel(t, exporttest.TinyOptions{})
	base := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(base, "tiny"), os.DirFS(dir)))
	return export.Options{
		Model: "tiny-bert", Spec: "dir:tiny", Files: files, BaseDir: base, Variants: []string{"fp32"},
		CacheDir: t.TempDir(), Python: exporttest.Python(t),
	}
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		require.NoError(t, err)
		all[rel], err = os.ReadFile(p)
		return err
	}))
	return all
}

// nothingHalfMade wants no candidate and no unfinished folder in the cache.
func nothingHalfMade(t *testing.T, o export.Options) {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(o.CacheDir, "exports", "*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(o.CacheDir, "exports", ".*"))
	require.NoError(t, err)
	for _, e := range append(entries, hidden...) {
		require.Equal(t, ".lock", filepath.Ext(e), "left behind: %s", e)
	}
}

func TestExportsOfTheSameInputsAreTheSameBytesAndTellNothingOfTheMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("exports models")
	}
	a, b := tiny(t), tiny(t)
	a.Variants = []string{"fp32", "fp16", "int8", "fp32-static16", "fp16-static7"}
	b.Variants = []string{"int8", "fp16-static7", "fp32", "fp32-static16", "fp16", "fp32"} // neither order nor repetition decides
	a.Out, b.Out = filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "deep", "other")
	ra, err := export.Run(t.Context(), a)
	require.NoError(t, err)
	t.Setenv("PYTHONHASHSEED", "4242")
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("OMP_NUM_THREADS", "1")
	rb, err := export.Run(t.Context(), b)
	require.NoError(t, err)
	require.False(t, ra.Cached)
	require.False(t, rb.Cached)
	assert.Equal(t, a.Out, ra.Candidate.Dir)
	assert.Equal(t, ra.Candidate.Digest, rb.Candidate.Digest)
	one, two := contents(t, a.Out), contents(t, b.Out)
	require.ElementsMatch(t, keys(one), keys(two))
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	secrets := []string{a.BaseDir, a.CacheDir, a.Out, os.TempDir() + "/", home + "/", filepath.Dir(a.Python), a.Python}
	if len(host) > 5 {
		secrets = append(secrets, host)
	}
	for name, x := range one {
		assert.True(t, bytes.Equal(x, two[name]), "%s differs", name)
		for _, s := range secrets {
			assert.False(t, bytes.Contains(x, []byte(s)), "%s holds %q", name, s)
		}
	}
	for name, v := range ra.Candidate.Manifest.Variants {
		assert.Equal(t, name+".onnx", v.File)
		assert.Equal(t, candidate.Precision(name[:4]), v.Precision, "%s", name)
		assert.Equal(t, name == "int8", len(v.Choices) > 0, "%s", name)
		rows, cols, fixed := v.Fixed()
		switch name {
		case "fp32-static16":
			assert.Equal(t, []any{1, 16, true}, []any{rows, cols, fixed})
		case "fp16-static7":
			assert.Equal(t, []any{1, 7, true}, []any{rows, cols, fixed})
		default:
			assert.False(t, fixed, "%s", name)
		}
	}
	assert.Len(t, ra.Candidate.Manifest.Variants, 5)
	assert.NotContains(t, keys(one), "model.safetensors", "the weights are in the variant")
	assert.Equal(t, "dir:tiny", ra.Candidate.Manifest.Source.Spec)

	t.Run("a second run takes it from the cache", func(t *testing.T) {
		r, err := export.Run(t.Context(), a)
		require.NoError(t, err)
		assert.True(t, r.Cached)
		assert.Equal(t, ra.Candidate, r.Candidate)
	})
	t.Run("a spoiled folder is delivered again from the cache", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(a.Out, "fp32.onnx"), []byte("x"), 0o666))
		r, err := export.Run(t.Context(), a)
		require.NoError(t, err)
		assert.True(t, r.Cached)
		assert.Equal(t, two["fp32.onnx"], contents(t, a.Out)["fp32.onnx"])
	})
	t.Run("a folder that holds something else is left alone", func(t *testing.T) {
		o := a
		o.Out = t.TempDir()
		mine := filepath.Join(o.Out, "thesis.txt")
		require.NoError(t, os.WriteFile(mine, []byte("years of work"), 0o666))
		_, err := export.Run(t.Context(), o)
		require.Equal(t, fault.Usage, fault.KindOf(err))
		require.ErrorContains(t, err, o.Out)
		require.Equal(t, map[string][]byte{"thesis.txt": []byte("years of work")}, contents(t, o.Out))
	})
	t.Run("a file in the folder's place is left alone", func(t *testing.T) {
		o := a
		o.Out = filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(o.Out, []byte("mine"), 0o666))
		_, err := export.Run(t.Context(), o)
		require.Equal(t, fault.Usage, fault.KindOf(err))
		require.FileExists(t, o.Out)
	})
	t.Run("an empty folder is filled", func(t *testing.T) {
		o := a
		o.Out = t.TempDir()
		r, err := export.Run(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, ra.Candidate.Digest, r.Candidate.Digest)
	})
	t.Run("a tampered cache is made again", func(t *testing.T) {
		o := a
		o.Out = ""
		r, err := export.Run(t.Context(), o)
		require.NoError(t, err)
		require.True(t, r.Cached)
		model := filepath.Join(r.Candidate.Dir, "fp32.onnx")
		x, err := os.ReadFile(model)
		require.NoError(t, err)
		x[len(x)/2] ^= 1
		require.NoError(t, os.WriteFile(model, x, 0o666))
		r, err = export.Run(t.Context(), o)
		require.NoError(t, err)
		assert.False(t, r.Cached)
		assert.Equal(t, ra.Candidate.Digest, r.Candidate.Digest)
		_, err = candidate.Read(r.Candidate.Dir)
		require.NoError(t, err)
	})
}

func keys(m map[string][]byte) (k []string) {
	for n := range m {
		k = append(k, n)
	}
	return k
}

func TestAnExportThatIsCancelledLeavesNothingHalfMade(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an export")
	}
	o := tiny(t)
	o.Out = filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	o.Progress = func(e progress.Event) {
		if e.Total > 0 { // the script is at work
			cancel()
		}
	}
	_, err := export.Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	nothingHalfMade(t, o)
	require.NoFileExists(t, o.Out)
	require.NoDirExists(t, o.Out)
}

func TestAnExportThatFailsLeavesNothingHalfMade(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an export")
	}
	whole := tiny(t)
	cases := map[string]func(o *export.Options){
		"for want of a variant":           func(o *export.Options) { o.Variants = nil },
		"for a variant that nobody knows": func(o *export.Options) { o.Variants = []string{"fp3"} },
		"for a variant too long for it":   func(o *export.Options) { o.Variants = []string{"fp32", "fp32-static65"} },
		"for int8 of its own forward": func(o *export.Options) {
			o.Variants, o.Plain, o.Python = []string{"fp32", "int8"}, true, exporttest.ReferencePython(t)
		},
		"for a variant that is a path":  func(o *export.Options) { o.Variants = []string{"../fp32"} },
		"for a file that is not pinned": func(o *export.Options) { delete(o.Files, "modules.json") },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			o := whole
			o.Files, o.CacheDir = maps.Clone(o.Files), t.TempDir()
			change(&o)
			_, err := export.Run(t.Context(), o)
			require.Equal(t, fault.Usage, fault.KindOf(err), "%v", err)
			nothingHalfMade(t, o)
		})
	}
}
