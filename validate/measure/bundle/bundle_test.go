package bundle

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
)

// options is a bundle of small files; program and libraries are this test
// binary, which is a real one of this platform.
func options(t testing.TB) Options {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, b []byte) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, b, 0o644))
	}
	put("candidate/fp32.onnx", onnxedit.Model{}.Bytes())
	put("candidate/tokenizer.json", []byte("{}"))
	put("candidate/1_Pooling/config.json", []byte("{}"))
	put("golden/golden.json", []byte("{}"))
	c, err := candidate.Seal(filepath.Join(dir, "candidate"), candidate.Manifest{
		Model: "small", Source: candidate.Source{Spec: "dir:small", Files: map[string]string{
			"model.safetensors": strings.Repeat("0", 64), "tokenizer.json": files.HashBytes([]byte("{}")), "1_Pooling/config.json": files.HashBytes([]byte("{}")),
		}},
		Embedding: candidate.Embedding{Pooling: candidate.PoolMean, MaxTokens: 16, Dimension: 3}, Versions: map[string]string{},
		Variants: map[string]candidate.Variant{"fp32": {File: "fp32.onnx", Precision: candidate.FP32, Opset: 18, Forward: "plain"}},
	})
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lib"), 0o755))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "lib", "libonnxruntime.so.1")))
	put("lib/unrelated.so", []byte("somebody else's"))
	return Options{
		Candidate: c, PolicyDir: dir, Provider: "cpu", Nonce: "round-1", Binary: self,
		Policy: policy.Policy{
			Model: policy.Model{Golden: "golden"}, Raw: []byte("schema: 1\n"), Digest: files.HashBytes([]byte("schema: 1\n")),
			Providers: map[string]policy.Provider{"cpu": {Variants: []string{"fp32", "int8"}}},
		},
		Libraries: map[string]providers.Library{"cpu": {Path: filepath.Join(dir, "lib", "libonnxruntime.so.1")}},
		Out:       filepath.Join(t.TempDir(), "out"),
	}
}

// filesIn returns the files of a folder: path → permissions and sha256.
func filesIn(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		f, err := files.HashFile(p)
		rel, _ := filepath.Rel(dir, p)
		all[filepath.ToSlash(rel)] = fmt.Sprint(i.Mode(), " ", f.SHA256)
		return err
	}))
	return all
}

// requireNothing requires that a folder's parent holds neither it nor a
// temporary file.
func requireNothing(t testing.TB, out string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestABundleHoldsWhatMeasuringNeedsAndTheSameBytesTwice(t *testing.T) {
	o := options(t)
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	have := filesIn(t, o.Out)
	require.Equal(t, []string{
		"bundle.json", "candidate/1_Pooling/config.json", "candidate/candidate.json", "candidate/fp32.onnx", "candidate/tokenizer.json",
		"embedgate", "lib/cpu/libonnxruntime.so.1", "measure.sh", "policy/golden/golden.json", "policy/policy.yaml",
	}, slices.Sorted(maps.Keys(have)), "and no unrelated file beside the library")
	require.Equal(t, runtime.GOOS+"/"+runtime.GOARCH, r.Manifest.Platform)
	require.True(t, strings.HasPrefix(have["measure.sh"], "-rwx"))
	for name, f := range r.Manifest.Files {
		require.True(t, strings.HasSuffix(have[name], f.SHA256), name)
	}
	b, err := os.ReadFile(filepath.Join(o.Out, ManifestName))
	require.NoError(t, err)
	require.NotContains(t, string(b), o.PolicyDir, "no path of this machine")

	o.Out = filepath.Join(t.TempDir(), "again")
	again, err := Make(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, r.Digest, again.Digest)
	require.Equal(t, have, filesIn(t, o.Out))
}

func TestWhatGoesWithALibraryLiesBesideItInTheBundle(t *testing.T) {
	o := options(t)
	dir := t.TempDir()
	for _, name := range []string{"plugin/libep.so", "plugin/libopenvino.so.2", "cudnn/libcudnn.so.9", "cudnn/libcudnn_ops.so.9", "cudnn/libelse.so"} {
		p := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.Symlink(o.Binary, p))
	}
	l := o.Libraries["cpu"]
	l.Plugin = filepath.Join(dir, "plugin", "libep.so")
	l.Preload = []string{filepath.Join(dir, "cudnn", "libcudnn.so.9"), "libcuda.so.1"}
	o.Libraries["cpu"] = l
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	var libs []string
	for name := range r.Manifest.Files {
		if strings.HasPrefix(name, LibraryDir) {
			libs = append(libs, name)
		}
	}
	slices.Sort(libs)
	require.Equal(t, []string{"lib/cpu/libcudnn.so.9", "lib/cpu/libcudnn_ops.so.9", "lib/cpu/libep.so", "lib/cpu/libonnxruntime.so.1", "lib/cpu/libopenvino.so.2"}, libs,
		"and not libcuda, which is the driver's")
}

func TestTheScriptsRunEachVariantWithTheBundlesOwnLibraries(t *testing.T) {
	m := Manifest{
		Provider: "directml", Platform: "windows/amd64", Variants: []string{"fp32", "fp16"}, Nonce: "n-1",
		Libraries: map[string]string{"cpu": "lib/cpu/onnxruntime.dll", "directml": "lib/directml/onnxruntime.dll"},
	}
	for platform, golden := range map[string]string{"windows/amd64": "measure.cmd", "linux/amd64": "measure-linux.sh", "darwin/arm64": "measure-darwin.sh"} {
		m.Platform = platform
		_, text := m.script()
		path := filepath.Join("testdata", golden)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(path, text, 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), string(text), golden)
	}
}

func TestWhatCannotBeBundledIsRefusedAndNothingIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, o *Options)
		want  string
	}{
		"a provider that the policy has not": {func(_ *testing.T, o *Options) { o.Provider = "npu" }, "npu"},
		"parts of a few bytes":               {func(_ *testing.T, o *Options) { o.PartSize = 7 }, "1MiB or more"},
		"no library":                         {func(_ *testing.T, o *Options) { o.Libraries = nil }, "--ort-lib"},
		"a nonce with a shell's characters":  {func(_ *testing.T, o *Options) { o.Nonce = "$(rm -rf /)" }, "--nonce"},
		"a program that is none": {func(t *testing.T, o *Options) {
			o.Binary = filepath.Join(t.TempDir(), "x")
			require.NoError(t, os.WriteFile(o.Binary, []byte("#!/bin/sh\n"), 0o755))
		}, "no ELF, Mach-O or PE"},
		"a library of another platform": {func(t *testing.T, o *Options) {
			p := filepath.Join(t.TempDir(), "libonnxruntime.dylib")
			require.NoError(t, os.WriteFile(p, fatMachO(), 0o644))
			o.Libraries["cpu"] = providers.Library{Path: p}
		}, "that platform's"},
		"two libraries of one name": {func(t *testing.T, o *Options) {
			l := o.Libraries["cpu"]
			l.Preload = []string{filepath.Join(t.TempDir(), "libonnxruntime.so.1")}
			require.NoError(t, os.Symlink(o.Binary, l.Preload[0]))
			o.Libraries["cpu"] = l
		}, "two files of that name"},
		"a golden outside the policy's folder": {func(_ *testing.T, o *Options) { o.Policy.Model.Golden = "../golden" }, "model.golden"},
		"a candidate that changed since": {func(t *testing.T, o *Options) {
			require.NoError(t, os.WriteFile(filepath.Join(o.Candidate.Dir, "tokenizer.json"), []byte("{ }"), 0o644))
		}, "tokenizer.json"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.spoil(t, &o)
			_, err := Make(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Usage, fault.KindOf(err))
			requireNothing(t, o.Out)
		})
	}
}

// fatMachO is the header of a universal Mach-O file with one arm64 image.
func fatMachO() []byte {
	thin := make([]byte, 32)
	copy(thin, []byte{0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0, 6})
	head := []byte{0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1, 1, 0, 0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 32, 0, 0, 0, 0}
	return append(append(head, make([]byte, 64-len(head))...), thin...)
}

func TestAFolderThatHoldsSomethingIsKept(t *testing.T) {
	o := options(t)
	require.NoError(t, os.MkdirAll(o.Out, 0o755))
	keep := filepath.Join(o.Out, "evidence")
	require.NoError(t, os.WriteFile(keep, nil, 0o644))
	_, err := Make(t.Context(), o)
	require.ErrorContains(t, err, "holds something")
	require.FileExists(t, keep)
	_, err = Join(t.Context(), parts(t), o.Out)
	require.ErrorContains(t, err, "holds something")
}

func TestACancelledBundleLeavesNothing(t *testing.T) {
	o := options(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Make(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	requireNothing(t, o.Out)
}
