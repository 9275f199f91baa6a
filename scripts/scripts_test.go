package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
)

// The scripts' own tests are Python. This runs them in the export environment,
// on the official model too.
func TestPythonTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("exports some thirty tiny models")
	}
	passes(t, exporttest.ReferencePython(t), "tests") // while int8 is searched for with torch
}

// What the scripts make is held to account by torch, transformers and
// sentence-transformers.
func TestPythonTestsAgainstTheReferencePass(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the reference environment, 5 GB of it")
	}
	passes(t, exporttest.ReferencePython(t), filepath.Join("tests", "reference"))
}

// passes runs the Python tests in a folder, none of which may be skipped.
func passes(t *testing.T, python, folder string) {
	t.Helper()
	c := exporttest.CandidateWith(t, exporttest.Variants()...)
	golden, err := filepath.Abs(filepath.Join("..", "golden", exporttest.Model))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), python, "-m", "unittest", "discover", "-v", "-s", folder)
	cmd.Env = append(os.Environ(),
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONNOUSERSITE=1", "ORT_DISABLE_TELEMETRY=1",
		"EMBEDGATE_TEST_MODEL="+exporttest.SourceDir(t),
		"EMBEDGATE_TEST_CANDIDATE="+c.Dir,
		"EMBEDGATE_TEST_GOLDEN="+golden,
	)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "skipped", "every test has what it needs here")
	t.Logf("%s", out)
}
