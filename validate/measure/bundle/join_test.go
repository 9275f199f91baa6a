package bundle

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

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
	want := filesIn(t, o.Out)
	o.Out, o.PartSize = filepath.Join(t.TempDir(), "parts"), 1<<20
	r, err := Make(t.Context(), o)
	require.NoError(t, err)
	for name := range filesIn(t, o.Out) {
		i, err := os.Stat(filepath.Join(o.Out, name))
		require.NoError(t, err)
		require.LessOrEqual(t, i.Size(), int64(1<<20), name)
	}

	joined := filepath.Join(t.TempDir(), "joined")
	j, err := Join(t.Context(), o.Out, joined)
	require.NoError(t, err)
	require.Equal(t, r.Digest, j.Digest)
	require.Equal(t, want, filesIn(t, joined))

	byShell := filepath.Join(t.TempDir(), "joined by shell")
	out, err := exec.Command("sh", filepath.Join(o.Out, joinName), byShell).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, want, filesIn(t, byShell))
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
			requireNothing(t, out)
			if c.shell {
				b, err := exec.Command("sh", filepath.Join(dir, joinName), out).CombinedOutput()
				require.Error(t, err, "%s", b)
				requireNothing(t, out)
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
	require.NoError(t, os.WriteFile(filepath.Join(dir, sumsName), []byte(files.HashBytes(b.Bytes())+"  part-000\n"), 0o644))
	return dir
}

func TestAnArchiveThatIsNotWhatItsManifestSaysIsRefused(t *testing.T) {
	hi := candidate.File{SHA256: files.HashBytes([]byte("hi")), Bytes: 2}
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
		"another size":               {archive(t, Manifest{Schema: schema, Files: map[string]candidate.File{"a": {SHA256: hi.SHA256, Bytes: 1}}}, tar.Header{Name: "a"}), "got 2 bytes, wanted 1"},
		"another schema":             {archive(t, Manifest{Schema: 9}), "schema"},
		"a file as another's folder": {archive(t, of("a", "a/b"), tar.Header{Name: "a"}, tar.Header{Name: "a/b"}), "a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			_, err := Join(t.Context(), c.dir, out)
			require.ErrorContains(t, err, c.want)
			requireNothing(t, out)
		})
	}
	out := filepath.Join(t.TempDir(), "out")
	_, err := Join(t.Context(), archive(t, of("a", "b/c"), tar.Header{Name: "b/c"}, tar.Header{Name: "a"}), out)
	require.NoError(t, err, "the same by hand and right is taken")
}

func FuzzJoin(f *testing.F) {
	dir := archive(f, Manifest{Schema: schema, Files: map[string]candidate.File{"a": {SHA256: files.HashBytes([]byte("hi")), Bytes: 2}}}, tar.Header{Name: "a"})
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
