package pyenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

// pathOf makes shell scripts the only Pythons on the PATH.
func pathOf(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	}
	for _, tool := range []string{"sleep", "mkdir"} {
		require.NoError(t, os.Symlink(mustLook(t, tool), filepath.Join(dir, tool)))
	}
	t.Setenv("PATH", dir)
	return dir
}

func fakePython(t *testing.T, body string) { pathOf(t, map[string]string{"python3": body}) }

func answers(version string) string { return "echo " + version }

const noVenv = `case "$*" in *ensurepip*) exit 1;; *) echo 3.12;; esac`

func TestFindBaseTakesTheFirstPythonThatCanMakeEnvironments(t *testing.T) {
	cases := map[string]struct {
		programs      map[string]string
		name, version string
	}{
		"python3 where it is new enough":      {map[string]string{"python3": answers("3.12"), "python3.13": answers("3.13")}, "python3", "3.12"},
		"a named one where python3 is old":    {map[string]string{"python3": answers("3.9"), "python3.11": answers("3.11")}, "python3.11", "3.11"},
		"a named one where python3 is a shim": {map[string]string{"python3": "echo not found >&2; exit 127", "python3.13": answers("3.13")}, "python3.13", "3.13"},
		"python where there is no python3":    {map[string]string{"python": answers("3.11")}, "python", "3.11"},
		"one with venv before one without":    {map[string]string{"python3": noVenv, "python3.11": answers("3.11")}, "python3.11", "3.11"},
		"one with wheels before a newer one":  {map[string]string{"python3": answers("3.19"), "python3.12": answers("3.12")}, "python3.12", "3.12"},
		"a newer one where there is no other": {map[string]string{"python3": answers("3.19")}, "python3", "3.19"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := pathOf(t, c.programs)
			b, err := FindBase(t.Context())
			require.NoError(t, err)
			require.Equal(t, Base{filepath.Join(dir, c.name), c.version}, b)
		})
	}
}

func TestFindBaseSaysWhatItSawAndHowToGetOne(t *testing.T) {
	cases := map[string]struct {
		programs map[string]string
		want     string
	}{
		"nothing":            {nil, "none on the PATH"},
		"an old one":         {map[string]string{"python3": answers("3.9")}, "python3 3.9"},
		"Python 2":           {map[string]string{"python": answers("2.7")}, "python 2.7"},
		"one without venv":   {map[string]string{"python3": noVenv}, "python3 3.12 (without venv or ensurepip)"},
		"a shim":             {map[string]string{"python3": "exit 127"}, "python3 (does not run)"},
		"a program of chat":  {map[string]string{"python3": "echo hello"}, "python3 hello"},
		"two that cannot be": {map[string]string{"python3": answers("3.8"), "python": answers("2.7")}, "python3 3.8, python 2.7"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pathOf(t, c.programs)
			_, err := FindBase(t.Context())
			require.ErrorContains(t, err, "got "+c.want)
			require.ErrorContains(t, err, "apt-get install python3 python3-venv")
			require.Equal(t, fault.Missing, fault.KindOf(err))
		})
	}
}

func TestAGivenInterpreterIsCheckedAndTakenAsItIs(t *testing.T) {
	all := `{"python": "3.12", "modules": {"tokenizers": "1", "safetensors": "1", "numpy": "1", "onnx": "1", "onnxruntime": "1"}}`
	dir := pathOf(t, map[string]string{
		"good": "echo '" + all + "'", "old": `echo '{"python": "3.8", "modules": {}}'`, "bare": `echo '{"python": "3.12", "modules": {"numpy": "1"}}'`,
		"chat": "echo hello", "dead": "echo 'bad magic' >&2; exit 3",
	})
	e, err := Ensure(t.Context(), Options{Kind: Export, Override: filepath.Join(dir, "good")})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "good"), e.Python)
	require.Empty(t, e.Dir)
	require.Len(t, e.Hash, 64)

	t.Setenv(PythonVar, filepath.Join(dir, "good"))
	byVariable, err := Ensure(t.Context(), Options{Kind: Export})
	require.NoError(t, err)
	require.Equal(t, e, byVariable)
	state, err := State(t.Context(), Options{Kind: Export})
	require.NoError(t, err)
	require.Equal(t, e.Python, state)

	for name, want := range map[string]string{
		"old": "got Python 3.8", "bare": "got no onnx, onnxruntime, safetensors", "chat": "no Python",
		"dead": "does not run (bad magic)", "absent": "does not run",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Ensure(t.Context(), Options{Kind: Export, Override: filepath.Join(dir, name)})
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "--python")
			require.Equal(t, fault.Missing, fault.KindOf(err))
			t.Setenv(PythonVar, filepath.Join(dir, name))
			_, err = Ensure(t.Context(), Options{Kind: Export})
			require.ErrorContains(t, err, "correct "+PythonVar)
			_, err = State(t.Context(), Options{Kind: Export})
			require.Error(t, err)
		})
	}
}

func TestARealInterpreterWithoutThePackagesIsRefusedByTheirNames(t *testing.T) {
	base, err := FindBase(t.Context())
	require.NoError(t, err)
	kinds[Kind("test")] = kindInfo{modules: map[string]string{"json": "json", "no_such_module_at_all": "x"}}
	defer delete(kinds, Kind("test"))
	_, err = Ensure(t.Context(), Options{Kind: "test", Override: base.Path})
	require.ErrorContains(t, err, "got no no_such_module_at_all,")
}
