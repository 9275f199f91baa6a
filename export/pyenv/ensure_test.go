package pyenv

import (
	"context"
	"fmt"
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
)

// childVar makes this test binary a process that ensures the export environment
// in the cache it names.
const childVar = "EMBEDGATE_TEST_ENSURE_IN"

func TestMain(m *testing.M) {
	cache := os.Getenv(childVar)
	if cache == "" {
		os.Exit(m.Run())
	}
	e, err := Ensure(context.Background(), Options{Kind: Export, CacheDir: cache, Progress: func(e progress.Event) { fmt.Println(e.Message) }})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("ready:", e.Python)
}

// realBase is this machine's Python. Finding it starts several interpreters,
// which is most of what a handmade environment would take.
var realBase = sync.OnceValues(func() (Base, error) { return FindBase(context.Background()) })

// handmade is an environment that Ensure takes for whole, made in an instant.
func handmade(t *testing.T, root string) Env {
	t.Helper()
	base, err := realBase()
	require.NoError(t, err)
	e, err := envFor(Export, root, base.Version)
	require.NoError(t, err)
	lib := filepath.Join(e.Dir, "lib", "python"+base.Version, "site-packages", "onnxruntime")
	for _, f := range []string{filepath.Join(lib, "__init__.py"), filepath.Join(lib, "capi", "libonnxruntime.so.9"), filepath.Join(lib, "capi", "notes.txt")} {
		require.NoError(t, os.MkdirAll(filepath.Dir(f), 0o777))
		require.NoError(t, os.WriteFile(f, []byte("content"), 0o666))
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(e.Python), 0o777))
	require.NoError(t, os.Symlink(base.Path, e.Python))
	require.NoError(t, e.writeMarker())
	return e
}

func TestAWholeEnvironmentIsTakenWithoutAskingThePath(t *testing.T) {
	root := t.TempDir()
	e := handmade(t, root)
	t.Setenv("PATH", filepath.Dir(mustLook(t, "env"))) // the interpreter may be a script that needs env
	got, err := findReady(t.Context(), Export, root)
	require.NoError(t, err)
	require.Equal(t, e, got)
}

func mustLook(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	require.NoError(t, err)
	return p
}

func TestABrokenEnvironmentIsSeen(t *testing.T) {
	site := func(e Env, name string) string { return filepath.Join(sitePackages(e.Dir), "onnxruntime", name) }
	cases := map[string]struct {
		spoil func(e Env) error
		want  string
	}{
		"one that was never finished":      {func(e Env) error { return os.Remove(filepath.Join(e.Dir, marker)) }, "never finished"},
		"one whose marker was cut":         {func(e Env) error { return os.Truncate(filepath.Join(e.Dir, marker), 20) }, "marker is damaged"},
		"one with the marker of another":   {func(e Env) error { e.Hash = strings.Repeat("0", 64); return e.writeMarker() }, "marker is damaged"},
		"one without its library":          {func(e Env) error { return os.Remove(site(e, "capi/libonnxruntime.so.9")) }, "libonnxruntime.so.9 is missing"},
		"one whose library was cut":        {func(e Env) error { return os.Truncate(site(e, "capi/libonnxruntime.so.9"), 1) }, "libonnxruntime.so.9 is missing or changed"},
		"one without a package's front":    {func(e Env) error { return os.Remove(site(e, "__init__.py")) }, "__init__.py is missing"},
		"one without an interpreter":       {func(e Env) error { return os.Remove(e.Python) }, "interpreter does not run"},
		"one whose base Python went away":  {func(e Env) error { _ = os.Remove(e.Python); return os.Symlink("/nowhere/python3", e.Python) }, "interpreter does not run"},
		"one whose site-packages are gone": {func(e Env) error { return os.RemoveAll(filepath.Join(e.Dir, "lib")) }, "is missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			e := handmade(t, root)
			require.NoError(t, e.check(t.Context()))
			require.NoError(t, c.spoil(e))
			require.ErrorContains(t, e.check(t.Context()), c.want)
			got, err := findReady(t.Context(), Export, root)
			require.NoError(t, err)
			require.Empty(t, got)
			_, err = State(t.Context(), Options{Kind: Export, CacheDir: root})
			require.ErrorContains(t, err, c.want, "doctor tells the same")
		})
	}
}

func TestAnEnvironmentWithoutWhatItIsForIsNotFinished(t *testing.T) {
	e := handmade(t, t.TempDir())
	require.NoError(t, os.RemoveAll(filepath.Join(sitePackages(e.Dir), "onnxruntime", "capi")))
	require.ErrorContains(t, e.writeMarker(), "onnxruntime/capi/*onnxruntime.* is not there")
}

func TestTheKeyTellsEnvironmentsApart(t *testing.T) {
	seen := map[string]string{}
	for _, k := range []Kind{Export, Reference} {
		for _, v := range []string{"3.11", "3.12"} {
			h, err := keyOf(k, v)
			require.NoError(t, err)
			require.Len(t, h, 64)
			require.Empty(t, seen[h])
			seen[h] = string(k) + v
		}
	}
}

func TestTwoProcessesMakeOneEnvironmentAndABrokenOneIsMadeAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("installs from the package registry")
	}
	cache := t.TempDir()
	base, err := FindBase(t.Context())
	require.NoError(t, err)
	e, err := envFor(Export, cache, base.Version)
	require.NoError(t, err)
	// What a killed process left: a half-made environment under the name, and a
	// scratch folder.
	require.NoError(t, os.MkdirAll(filepath.Join(e.Dir, "bin"), 0o777))
	leftover := filepath.Join(filepath.Dir(e.Dir), ".tmp-"+filepath.Base(e.Dir)+"-1")
	require.NoError(t, os.MkdirAll(filepath.Join(leftover, "bin"), 0o777))

	var group sync.WaitGroup
	said := make([]string, 2)
	for i := range said {
		group.Go(func() {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), childVar+"="+cache)
			out, err := c.CombinedOutput()
			assert.NoError(t, err, "%s", out)
			said[i] = string(out)
		})
	}
	group.Wait()
	both := said[0] + said[1]
	for _, s := range said {
		assert.Contains(t, s, "ready: "+e.Python)
	}
	assert.Equal(t, 1, strings.Count(both, "environment is ready after"), "one builds:\n%s", both)
	assert.Contains(t, both, "is broken (it was never finished)")
	assert.Contains(t, both, "about 65 MB", "the size is told")
	assert.NoDirExists(t, leftover)

	libraries, err := filepath.Glob(filepath.Join(e.Site(), "onnxruntime", "capi", "libonnxruntime.*"))
	require.NoError(t, err)
	require.Len(t, libraries, 1)
	require.NoError(t, os.Remove(libraries[0]))
	again, err := Ensure(t.Context(), Options{Kind: Export, CacheDir: cache})
	require.NoError(t, err)
	require.Equal(t, e, again)
	require.FileExists(t, libraries[0])
	entries, err := os.ReadDir(filepath.Dir(e.Dir))
	require.NoError(t, err)
	require.Len(t, entries, 2, "the environment and its lock: %v", entries)
	require.NoError(t, exec.Command(e.Python, "-c", "import onnxruntime, onnx, tokenizers").Run(), "it works where it was moved to")
}

func TestABuildThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	cases := map[string]struct{ script, want, next string }{
		"without disk space":   {`echo "OSError: [Errno 28] No space left on device" >&2; exit 1`, "No space left on device", "free disk space"},
		"without a network":    {`echo "ERROR: Could not find a version that satisfies the requirement" >&2; exit 1`, "Could not find a version", "network and proxy"},
		"by a crash of Python": {`kill -SEGV $$`, "segmentation fault", "network and proxy"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fakePython(t, `case "$*" in *-m\ venv*) `+c.script+`;; *import\ venv*) exit 0;; *) echo 3.12;; esac`)
			cache := t.TempDir()
			_, err := Ensure(t.Context(), Options{Kind: Export, CacheDir: cache})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "the export environment")
			require.ErrorContains(t, err, c.next)
			require.Equal(t, fault.Missing, fault.KindOf(err))
			onlyLocks(t, filepath.Join(cache, "env"))
		})
	}
}

func TestABuildThatIsInterruptedLeavesNothing(t *testing.T) {
	fakePython(t, `case "$*" in *-m\ venv*) mkdir -p "$3/bin"; sleep 600;; *import\ venv*) exit 0;; *) echo 3.12;; esac`)
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Ensure(ctx, Options{Kind: Export, CacheDir: cache, Progress: func(progress.Event) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	onlyLocks(t, filepath.Join(cache, "env"))
}

func onlyLocks(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, strings.HasSuffix(e.Name(), ".lock"), e.Name())
	}
}
