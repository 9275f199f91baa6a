package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/pipeline/fault"
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
		Model: "small", Source: candidate.Source{Spec: "dir:small", Files: map[string]string{"model.safetensors": strings.Repeat("0", 64)}},
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
			Model: policy.Model{Golden: "golden"}, Raw: []byte("schema: 1\n"), Digest: sum([]byte("schema: 1\n")),
			Providers: map[string]policy.Provider{"cpu": {Variants: []string{"fp32", "int8"}}},
		},
		Libraries: map[string]providers.Library{"cpu": {Path: filepath.Join(dir, "lib", "libonnxruntime.so.1")}},
		Out:       filepath.Join(t.TempDir(), "out"),
	}
}

// lying is what lies in a folder: path → permissions and sha256.
func lying(t testing.TB, dir string) map[string]string {
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
		f, err := candidate.HashFile(p)
		rel, _ := filepath.Rel(dir, p)
		all[filepath.ToSlash(rel)] = fmt.Sprint(i.Mode(), " ", f.SHA256)
		return err
	}))
	return all
}

// nothing requires that a folder's parent holds neither it nor a leftover.
func nothing(t testing.TB, out string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestABundleHoldsWhatMeasuringNeedsAndTheSameBytesTwice(t *testing.T) {
	o := options(t)
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	have := lying(t, o.Out)
	require.Equal(t, []string{
		"bundle.json", "candidate/1_Pooling/config.json", "candidate/candidate.json", "candidate/fp32.onnx", "candidate/tokenizer.json",
		"embedgate", "lib/cpu/libonnxruntime.so.1", "measure.sh", "policy/golden/golden.json", "policy/policy.yaml",
	}, slices.Sorted(maps.Keys(have)), "and nothing that merely lay beside the library")
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
	require.Equal(t, have, lying(t, o.Out))
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
		"a nonce with a shell's signs":       {func(_ *testing.T, o *Options) { o.Nonce = "$(rm -rf /)" }, "--nonce"},
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
			nothing(t, o.Out)
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
	nothing(t, o.Out)
}

func parts(t testing.TB) string {
	t.Helper()
	o := options(t)
	o.PartSize = 1 << 20
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	require.Greater(t, r.Parts, 3, "the test binary is some megabytes")
	return o.Out
}

func TestPartsJoinToTheSameBundleByProgramAndByShell(t *testing.T) {
	o := options(t)
	_, err := Make(t.Context(), o)
	require.NoError(t, err)
	want := lying(t, o.Out)
	o.Out, o.PartSize = filepath.Join(t.TempDir(), "parts"), 1<<20
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	for name := range lying(t, o.Out) {
		i, err := os.Stat(filepath.Join(o.Out, name))
		require.NoError(t, err)
		require.LessOrEqual(t, i.Size(), int64(1<<20), name)
	}

	joined := filepath.Join(t.TempDir(), "joined")
	j, err := Join(t.Context(), o.Out, joined)
	require.NoError(t, err)
	require.Equal(t, r.Digest, j.Digest)
	require.Equal(t, want, lying(t, joined))

	byShell := filepath.Join(t.TempDir(), "joined by shell")
	out, err := exec.Command("sh", filepath.Join(o.Out, joinName), byShell).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, want, lying(t, byShell))
}

func TestPartsThatAreMissingDamagedOrHostileAreRefusedAndNothingIsLeft(t *testing.T) {
	good := parts(t)
	edit := func(t *testing.T, dir, name string, change func([]byte) []byte) {
		p := filepath.Join(dir, name)
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(p, change(b), 0o644))
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
		shell bool // join.sh, which trusts whoever wrote SHA256SUMS, finds it too
	}{
		"a flipped byte": {func(t *testing.T, dir string) {
			edit(t, dir, "part-002", func(b []byte) []byte { b[9] ^= 1; return b })
		}, "part-002: got sha256", true},
		"a missing part": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "part-001"))) }, "wanted part 2 of", true},
		"a link for a part": {func(t *testing.T, dir string) {
			p := filepath.Join(dir, "part-001")
			away := filepath.Join(t.TempDir(), "x")
			require.NoError(t, os.Rename(p, away))
			require.NoError(t, os.Symlink(away, p))
		}, "regular file", false},
		"no sums": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, sumsName))) }, sumsName, true},
		"a part fewer in the sums": {func(t *testing.T, dir string) {
			edit(t, dir, sumsName, func(b []byte) []byte { _, rest, _ := bytes.Cut(b, []byte("\n")); return rest })
		}, "got part-001, wanted part-000", false},
		"the last part fewer in the sums": {func(t *testing.T, dir string) {
			edit(t, dir, sumsName, func(b []byte) []byte {
				l := strings.SplitAfter(string(b), "\n")
				return []byte(strings.Join(append(l[:len(l)-3], l[len(l)-2:]...), ""))
			})
		}, "EOF", true},
		"a path in the sums": {func(t *testing.T, dir string) {
			edit(t, dir, sumsName, func(b []byte) []byte { return bytes.Replace(b, []byte("part-001"), []byte("../x-001"), 1) })
		}, "part-NNN", false},
		"two parts in each other's place": {func(t *testing.T, dir string) {
			a, b := filepath.Join(dir, "part-000"), filepath.Join(dir, "part-001")
			require.NoError(t, os.Rename(a, a+"x"))
			require.NoError(t, os.Rename(b, a))
			require.NoError(t, os.Rename(a+"x", b))
		}, "part-000: got sha256", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "parts")
			require.NoError(t, os.CopyFS(dir, os.DirFS(good)))
			c.spoil(t, dir)
			out := filepath.Join(t.TempDir(), "out")
			_, err := Join(t.Context(), dir, out)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, fault.Usage, fault.KindOf(err))
			nothing(t, out)
			if c.shell {
				b, err := exec.Command("sh", filepath.Join(dir, joinName), out).CombinedOutput()
				require.Error(t, err, "%s", b)
				nothing(t, out)
			}
		})
	}
}

// archive is a bundle's archive, made by hand, in one part with right sums.
func archive(t testing.TB, m Manifest, entries ...tar.Header) string {
	t.Helper()
	raw, err := json.Marshal(m)
	require.NoError(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: ManifestName, Size: int64(len(raw))}))
	_, err = w.Write(raw)
	require.NoError(t, err)
	for _, h := range entries {
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, 2
		}
		require.NoError(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err = w.Write([]byte("hi"))
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	dir := filepath.Join(t.TempDir(), "parts")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "part-000"), b.Bytes(), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, sumsName), []byte(sum(b.Bytes())+"  part-000\n"), 0o644))
	return dir
}

func TestAnArchiveThatIsNotWhatItsManifestSaysIsRefused(t *testing.T) {
	hi := candidate.File{SHA256: sum([]byte("hi")), Bytes: 2}
	of := func(names ...string) Manifest {
		m := Manifest{Schema: schema, Files: map[string]candidate.File{}}
		for _, n := range names {
			m.Files[n] = hi
		}
		return m
	}
	for name, c := range map[string]struct {
		dir  string
		want string
	}{
		"a path upwards":             {archive(t, of("../x"), tar.Header{Name: "../x"}), "inside the bundle"},
		"an absolute path":           {archive(t, of("/tmp/x"), tar.Header{Name: "/tmp/x"}), "inside the bundle"},
		"a path of Windows":          {archive(t, of(`a\..\..\x`), tar.Header{Name: `a\..\..\x`}), "inside the bundle"},
		"a drive":                    {archive(t, of("C:x"), tar.Header{Name: "C:x"}), "inside the bundle"},
		"a file that is not named":   {archive(t, of("a"), tar.Header{Name: "a"}, tar.Header{Name: "b"}), `got "b"`},
		"a file twice":               {archive(t, of("a"), tar.Header{Name: "a"}, tar.Header{Name: "a"}), "twice"},
		"a file fewer":               {archive(t, of("a", "b"), tar.Header{Name: "a"}), "got no b"},
		"a link":                     {archive(t, of("a"), tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "wanted a file"},
		"a hard link":                {archive(t, of("a"), tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}), "wanted a file"},
		"other bytes":                {archive(t, Manifest{Schema: schema, Files: map[string]candidate.File{"a": {SHA256: strings.Repeat("0", 64), Bytes: 2}}}, tar.Header{Name: "a"}), "got sha256"},
		"another size":               {archive(t, Manifest{Schema: schema, Files: map[string]candidate.File{"a": {SHA256: hi.SHA256, Bytes: 1}}}, tar.Header{Name: "a"}), "(2 bytes)"},
		"another schema":             {archive(t, Manifest{Schema: 9}), "schema"},
		"a file as another's folder": {archive(t, of("a", "a/b"), tar.Header{Name: "a"}, tar.Header{Name: "a/b"}), "a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			_, err := Join(t.Context(), c.dir, out)
			require.ErrorContains(t, err, c.want)
			nothing(t, out)
		})
	}
	out := filepath.Join(t.TempDir(), "out")
	_, err := Join(t.Context(), archive(t, of("a", "b/c"), tar.Header{Name: "b/c"}, tar.Header{Name: "a"}), out)
	require.NoError(t, err, "the same by hand and right is taken")
}

func FuzzJoin(f *testing.F) {
	dir := archive(f, Manifest{Schema: schema, Files: map[string]candidate.File{"a": {SHA256: sum([]byte("hi")), Bytes: 2}}}, tar.Header{Name: "a"})
	b, err := os.ReadFile(filepath.Join(dir, "part-000"))
	require.NoError(f, err)
	s, err := os.ReadFile(filepath.Join(dir, sumsName))
	require.NoError(f, err)
	f.Add(b, string(s))
	f.Fuzz(func(t *testing.T, b []byte, sums string) {
		_, _ = parseSums(sums)
		root := t.TempDir()
		_, _ = unpack(t.Context(), bytes.NewReader(b), filepath.Join(root, "whole"))
		entries, err := os.ReadDir(root)
		require.NoError(t, err)
		for _, e := range entries {
			require.Equal(t, "whole", e.Name(), "nothing is written outside")
		}
	})
}
