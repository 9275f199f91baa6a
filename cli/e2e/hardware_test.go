package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The scripts behind task gpu and task mac, run with the provider that every
// machine has, and with one that this machine lacks.
func TestAMachinesProviderIsMeasuredJudgedAndRecorded(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures a tiny model: run without -short")
	}
	t.Parallel()
	w := newTiny(t)
	script, err := filepath.Abs("../../tools/hardware/measure.py")
	require.NoError(t, err)
	eg := program(t)
	run := func(args ...string) (code int, out string) {
		c := exec.Command("python3", append([]string{script}, args...)...)
		c.Dir, c.Env = w.dir, w.env
		b, err := c.CombinedOutput()
		if c.ProcessState == nil {
			require.NoError(t, err)
		}
		return c.ProcessState.ExitCode(), string(b)
	}
	here := []string{"--embedgate", eg, "--policy", "policy.yaml", "--record", "measured"}

	code, out := run(append([]string{"cpu", "--out", "work"}, here...)...)
	require.Equal(t, 0, code, "%s", out)
	md := read(t, filepath.Join(w.dir, "measured", "cpu.md"))
	require.Contains(t, md, "- cpu × fp32: PASS")
	require.Contains(t, md, "Parity with the float64 golden vectors")
	summary := read(t, filepath.Join(w.dir, "measured", "cpu.json"))
	require.Contains(t, summary, `"library_sha256"`)
	require.Contains(t, summary, `"p95"`)
	require.NotContains(t, summary, "samples_ns", "a summary, not the evidence")
	require.NotContains(t, md+summary, w.dir, "no path of this machine")

	// What is not here is not measured, and that is no record.
	missing := map[bool]string{true: "cuda", false: "directml"}[runtime.GOOS == "windows"]
	code, out = run(append([]string{missing, "--out", "work-missing", "--candidate", "work/candidate"}, here...)...)
	require.Equal(t, 4, code, "%s", out)
	require.Contains(t, out, "NOT MEASURED")
	require.NoFileExists(t, filepath.Join(w.dir, "measured", missing+".md"))

	// From a bundle, with everything in it.
	made, err := w.command("bundle", "--candidate", "work/candidate", "--for", "cpu", "--out", "bundle").CombinedOutput()
	require.NoError(t, err, "%s", made)
	code, out = run("cpu", "--bundle", "bundle", "--out", "work-bundle", "--record", "by-bundle")
	require.Equal(t, 0, code, "%s", out)
	require.FileExists(t, filepath.Join(w.dir, "by-bundle", "cpu.md"))

	// A failure is recorded as one.
	policy := read(t, filepath.Join(w.dir, "policy.yaml"))
	write(t, filepath.Join(w.dir, "strict.yaml"), policy)
	require.NoError(t, substitute(filepath.Join(w.dir, "strict.yaml"), "budget: 1h", "budget: 10us"))
	code, out = run("cpu", "--embedgate", eg, "--policy", "strict.yaml", "--record", "failed", "--candidate", "work/candidate", "--out", "work-failed")
	require.Equal(t, 1, code, "%s", out)
	require.Contains(t, read(t, filepath.Join(w.dir, "failed", "cpu.md")), "- cpu × fp32: FAIL")
}

func substitute(path, old, new string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s := strings.Replace(string(b), old, new, 1)
	if s == string(b) {
		return fmt.Errorf("%s does not hold %q", path, old)
	}
	return os.WriteFile(path, []byte(s), 0o666)
}
