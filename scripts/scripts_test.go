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
// torch, transformers and sentence-transformers. This runs them in the export
// environment, on the official model too.
func TestPythonTestsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("exports some twenty models with torch")
	}
	c := exporttest.Candidate(t)
	cmd := exec.CommandContext(t.Context(), exporttest.Python(t), "-m", "unittest", "discover", "-v", "-s", "tests")
	cmd.Env = append(os.Environ(),
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONNOUSERSITE=1",
		"EMBEDGATE_TEST_MODEL="+exporttest.SourceDir(t),
		"EMBEDGATE_TEST_ONNX="+filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File),
	)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "skipped", "every test has what it needs here")
	t.Logf("%s", out)
}
