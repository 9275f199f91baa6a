package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/stmodel"
)

// The scripts' own tests are Python. This runs them in the export environment,
// on the official model too.
func TestPythonTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("exports some thirty tiny models")
	}
	passes(t, exporttest.Python(t), filepath.Join("export", "tests"))
}

// What the scripts make is held to account by torch, transformers and
// sentence-transformers.
func TestPythonTestsAgainstTheReferencePass(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the reference environment, 5 GB of it")
	}
	passes(t, exporttest.ReferencePython(t), filepath.Join("export", "tests", "reference"))
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

// BenchmarkInt8Made is the export of the official model's int8 variant alone,
// Python's start and the reading of the weights included.
func BenchmarkInt8Made(b *testing.B) {
	python, model := exporttest.Python(b), exporttest.SourceDir(b)
	c, err := stmodel.Read(model)
	require.NoError(b, err)
	config, err := c.Argument()
	require.NoError(b, err)
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), python, filepath.Join("export", "export_onnx_model.py"),
			"--model-dir", model, "--config", config, "--variant", "int8", "--out", filepath.Join(b.TempDir(), "int8.onnx"))
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONNOUSERSITE=1", "ORT_DISABLE_TELEMETRY=1")
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%s", out)
	}
}
