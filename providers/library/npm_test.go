package library

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
)

type entryOf struct {
	name string
	body string
	kind byte
}

func tarball(t testing.TB, entries ...entryOf) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.body)), Typeflag: tar.TypeReg}
		if e.kind != 0 {
			h.Typeflag, h.Linkname, h.Size = e.kind, e.body, 0
		}
		require.NoError(t, w.WriteHeader(h))
		if e.kind == 0 {
			_, err := w.Write([]byte(e.body))
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

const libraryName = "bin/linux/libonnxruntime.so.1"

var good = []entryOf{{name: "package/package.json", body: "{}"}, {name: "package/" + libraryName, body: "a library"}}

// fetching is a machine with an npm that hands out that tarball, and the
// entry that pins the tarball pinned.
func fetching(t *testing.T, served, pinned []byte) (machine, providers.Entry, Options) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "served.tgz")
	require.NoError(t, os.WriteFile(file, pinned, 0o600))
	integrity, err := integrityOf(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, served, 0o600))
	npm := filepath.Join(dir, "npm")
	script := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>" + dir + "/calls\ncp " + file + " onnxruntime-node-1.30.0.tgz\n"
	require.NoError(t, os.WriteFile(npm, []byte(script), 0o755))
	m := thisMachine()
	m.lookPath = func(string) (string, error) { return npm, nil }
	m.getenv = func(string) string { return "" }
	e := providers.Entry{Name: "some", EP: "SomeExecutionProvider", Needs: "nothing", Proof: providers.ProofEP,
		Source: providers.Source{Origin: providers.FromNPM, Package: "onnxruntime-node", Version: "1.30.0", Integrity: integrity, Size: "1 kB",
			Files: []providers.PlatformFiles{{On: providers.Platform{OS: m.platform.OS}, Library: libraryName}}}}
	return m, e, Options{CacheDir: filepath.Join(dir, "cache")}
}

func nothingKept(t *testing.T, o Options) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(o.CacheDir, "lib"))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	for _, e := range entries {
		assert.True(t, strings.HasSuffix(e.Name(), ".lock"), "%s is left", e.Name())
	}
}

func TestAPackageIsFetchedOnceAndKeptWhole(t *testing.T) {
	m, e, o := fetching(t, tarball(t, good...), tarball(t, good...))
	var said []string
	var mu sync.Mutex
	o.Progress = func(e progress.Event) { mu.Lock(); said = append(said, e.Message); mu.Unlock() }
	found, _, ok := m.state(t.Context(), e, o)
	assert.True(t, ok)
	assert.Contains(t, found, "is not here yet")

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			lib, err := m.find(t.Context(), e, o)
			if assert.NoError(t, err) {
				b, err := os.ReadFile(lib.Path)
				assert.NoError(t, err)
				assert.Equal(t, "a library", string(b))
			}
		})
	}
	wg.Wait()
	calls, err := os.ReadFile(filepath.Join(filepath.Dir(o.CacheDir), "calls"))
	require.NoError(t, err)
	assert.Equal(t, "pack --ignore-scripts --silent onnxruntime-node@1.30.0\n", string(calls), "once, and no script of the package runs")
	assert.Contains(t, strings.Join(said, "\n"), "fetching onnxruntime-node 1.30.0 with npm: the library for provider some, 1 kB, once")

	lib, err := m.find(t.Context(), e, o)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(lib.Path, 3))
	_, err = m.find(t.Context(), e, o)
	require.NoError(t, err)
	b, err := os.ReadFile(lib.Path)
	require.NoError(t, err)
	assert.Equal(t, "a library", string(b), "a spoiled one is fetched again")
}

func TestATarballThatIsNotThePinnedOneIsRefusedUnread(t *testing.T) {
	other := append([]entryOf{{name: "package/x", body: "more"}}, good...)
	m, e, o := fetching(t, tarball(t, other...), tarball(t, good...))
	_, err := m.find(t.Context(), e, o)
	require.ErrorContains(t, err, "wanted sha512-")
	assert.Equal(t, fault.Missing, fault.KindOf(err))
	nothingKept(t, o)
}

func TestHostileTarballsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		entries []entryOf
		says    string
	}{
		"one that climbs out":            {append([]entryOf{{name: "package/../../evil", body: "x"}}, good...), "name"},
		"an absolute name":               {append([]entryOf{{name: "/etc/evil", body: "x"}}, good...), "name"},
		"a name for Windows":             {append([]entryOf{{name: `package\..\evil`, body: "x"}}, good...), "name"},
		"a symbolic link":                {[]entryOf{{name: "package/" + libraryName, body: "/etc/passwd", kind: tar.TypeSymlink}}, "link"},
		"a hard link":                    {append([]entryOf{{name: "package/x", body: "/etc/passwd", kind: tar.TypeLink}}, good...), "link"},
		"a device":                       {append([]entryOf{{name: "package/x", kind: tar.TypeChar}}, good...), "device"},
		"the library twice":              {append(good[1:], good...), "twice"},
		"no library":                     {good[:1], "there is no"},
		"an empty library":               {[]entryOf{{name: "package/" + libraryName}}, "0 bytes"},
		"the library in another package": {[]entryOf{{name: libraryName, body: "x"}}, "there is no"},
		"nothing":                        {nil, "there is no"},
	} {
		t.Run(name, func(t *testing.T) {
			b := tarball(t, c.entries...)
			m, e, o := fetching(t, b, b)
			_, err := m.find(t.Context(), e, o)
			require.ErrorContains(t, err, c.says)
			require.ErrorIs(t, err, errBadTarball)
			nothingKept(t, o)
		})
	}
	whole := tarball(t, good...)
	for name, b := range map[string][]byte{"no gzip": []byte("<html>"), "cut": whole[:len(whole)-30], "empty": {}} {
		t.Run(name, func(t *testing.T) {
			m, e, o := fetching(t, b, b)
			_, err := m.find(t.Context(), e, o)
			require.ErrorIs(t, err, errBadTarball)
			nothingKept(t, o)
		})
	}
}

func TestAnNPMThatFailsSaysWhyAndWhatToDo(t *testing.T) {
	b := tarball(t, good...)
	for name, c := range map[string]struct{ script, says string }{
		"no network":   {"echo 'npm error code ENOTFOUND' >&2; exit 1", "ENOTFOUND"},
		"no tarball":   {"exit 0", "0 tarballs"},
		"two tarballs": {"touch a.tgz b.tgz", "2 tarballs"},
		"a crash":      {"kill -SEGV $$", "npm pack"},
	} {
		t.Run(name, func(t *testing.T) {
			m, e, o := fetching(t, b, b)
			npm := filepath.Join(t.TempDir(), "npm")
			require.NoError(t, os.WriteFile(npm, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755))
			m.lookPath = func(string) (string, error) { return npm, nil }
			_, err := m.find(t.Context(), e, o)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "EMBEDGATE_SOME_LIB")
			assert.Equal(t, fault.Missing, fault.KindOf(err))
			nothingKept(t, o)
		})
	}
	t.Run("none", func(t *testing.T) {
		m, e, o := fetching(t, b, b)
		m.lookPath = func(string) (string, error) { return "", exec.ErrNotFound }
		_, err := m.find(t.Context(), e, o)
		require.ErrorContains(t, err, "apt-get install npm")
		require.ErrorContains(t, err, "EMBEDGATE_SOME_LIB")
		assert.Equal(t, fault.Missing, fault.KindOf(err))
		found, next, ok := m.state(t.Context(), e, o)
		assert.False(t, ok)
		assert.Contains(t, found, "none on the PATH")
		assert.Contains(t, next, "apt-get install npm")
	})
}

func FuzzTarball(f *testing.F) {
	f.Add(tarball(f, good...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		sizes, err := extractTar(t.Context(), tar.NewReader(bytes.NewReader(raw)), "package/", []string{libraryName}, filepath.Join(dir, "in"))
		outside, _ := os.ReadDir(dir)
		if len(outside) > 0 || err == nil && len(sizes) != 1 {
			t.Errorf("%v %v %v", sizes, err, outside)
		}
	})
}
