package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bare is a PATH that holds what a shell script needs and no Go, Python or npm.
func bare(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"sh", "dirname", "mkdir", "rm", "mv", "cat", "sed", "tar", "sha256sum"} {
		from, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(from, filepath.Join(dir, tool)))
	}
	return dir
}

func TestABundleMeasuresWithoutNetworkGoOrPythonAndItsEvidenceIsJudgedHere(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures a tiny model: run without -short")
	}
	if runtime.GOOS == "windows" {
		t.Skip("join.sh and measure.sh want a POSIX shell; measure.cmd is not run anywhere yet")
	}
	t.Parallel()
	w := newTiny(t)
	ok := func(args ...string) string {
		t.Helper()
		out, err := w.command(args...).CombinedOutput()
		require.NoError(t, err, "embedgate %v\n%s", args, out)
		return string(out)
	}
	ok("export", "--out", "cand")
	ok("plan", "--out", "round")
	made := ok("bundle", "--candidate", "cand", "--for", "cpu", "--nonce", "@round", "--part-size", "10MiB", "--out", "parts")
	require.Contains(t, made, "sh join.sh FOLDER there")

	// The other machine: nothing but the parts, a shell and an empty home.
	other := filepath.Join(t.TempDir(), "the other machine")
	require.NoError(t, os.CopyFS(filepath.Join(other, "parts"), os.DirFS(filepath.Join(w.dir, "parts"))))
	env := []string{"PATH=" + bare(t), "HOME=" + filepath.Join(other, "home")}
	sh := func(args ...string) {
		t.Helper()
		c := exec.Command("sh", args...)
		if unshared, err := exec.LookPath("unshare"); err == nil && exec.Command(unshared, "-rn", "true").Run() == nil {
			c = exec.Command(unshared, append([]string{"-rn", "sh"}, args...)...) // no network at all
			c.Env = env
		}
		c.Dir, c.Env = other, env
		out, err := c.CombinedOutput()
		require.NoError(t, err, "sh %v\n%s", args, out)
	}
	sh("parts/join.sh", "bundle")
	sh("bundle/measure.sh")
	require.NoDirExists(t, filepath.Join(other, "home"))
	require.NoDirExists(t, filepath.Join(other, "bundle", "cache", "embedgate", "env"), "no Python environment was made")

	evidence := filepath.Join(other, "bundle", "evidence", "cpu-fp32")
	require.Contains(t, ok("gate", "--candidate", "cand", "--nonce", "@round", "--out", "verdict.json", evidence), "PASS: tiny-bert for channel local")

	// Joined by the program it is the same, and evidence of another round is
	// not this one's.
	ok("bundle", "--join", "parts", "--out", "joined")
	ok("plan", "--out", "later")
	c := w.command("gate", "--candidate", "cand", "--nonce", "@later", "--out", "stale.json", evidence)
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 1, c.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "answers plan")
}

func TestABundleThatCannotBeMadeOrJoinedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w := tiny{dir: dir, env: os.Environ()}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "parts"), 0o755))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"without a candidate":   {[]string{"bundle", "--for", "cpu", "--out", "out"}, "--candidate"},
		"of no candidate":       {[]string{"bundle", "--candidate", "absent", "--for", "cpu", "--out", "out", "--policy", "../../policy.yaml"}, "absent"},
		"with a strange size":   {[]string{"bundle", "--part-size", "60 loaves"}, "600MiB"},
		"of parts that are not": {[]string{"bundle", "--join", "parts", "--out", "out"}, "SHA256SUMS"},
		"for an empty plan":     {[]string{"gate", "--candidate", "x", "--out", "v", "--nonce", "@" + os.DevNull, "e"}, "plan's name"},
		"for a hostile plan":    {[]string{"measure", "--candidate", "x", "--provider", "cpu", "--variant", "fp32", "--out", "e", "--nonce", "a b"}, "plan's name"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := filepath.Abs("../../policy.yaml")
			require.NoError(t, err)
			for i, a := range c.args {
				c.args[i] = strings.Replace(a, "../../policy.yaml", root, 1)
			}
			cmd := w.command(c.args...)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, 2, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.want)
			require.NoDirExists(t, filepath.Join(dir, "out"))
		})
	}
}
