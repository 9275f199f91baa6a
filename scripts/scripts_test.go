package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
)

// The scripts' own tests are Python, because what they hold to account is
// torch, transformers and sentence-transformers. This runs them in the reference
// environment, on the official model too.
func TestPythonTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("exports some twenty models with torch")
	}
	c := exporttest.CandidateWith(t, exporttest.Variants()...)
	golden, err := filepath.Abs(filepath.Join("..", "golden", exporttest.Model))
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exporttest.ReferencePython(t), "-m", "unittest", "discover", "-v", "-s", "tests")
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
