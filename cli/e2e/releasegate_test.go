package e2e_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/workflowtest"
	"github.com/embedgate/embedgate/pipeline/policy"
)

const releaseGate = "../../.github/workflows/release-gate.yml"

func TestTheReleaseWorkflowIsPinnedLeastPrivilegedAndMeasuresWhatAReleaseRequires(t *testing.T) {
	b, err := os.ReadFile(releaseGate)
	require.NoError(t, err)
	for _, u := range regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(string(b), -1) {
		require.Regexp(t, `^actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`, u[1])
	}
	require.Contains(t, string(b), "on:\n  push:\n    tags: [\"v*\"]\npermissions: {}\n", "on a tag only")
	require.NotRegexp(t, `: write`, regexp.MustCompile(`#.*`).ReplaceAllString(string(b), ""))
	require.NotRegexp(t, `run: .*\$\{\{`, string(b), "an expansion in a script is a way in")
	w, err := workflowtest.Read(releaseGate)
	require.NoError(t, err)
	order, err := w.Order()
	require.NoError(t, err)
	require.Equal(t, []string{"export", "measure", "gate", "publish"}, order)
	var measured []string
	for _, line := range w.Jobs["measure"].Strategy.Matrix.Include {
		measured = append(measured, line["provider"].(string))
	}
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	for _, need := range p.Channels["release"].Require {
		require.Contains(t, measured, need)
	}
}

// program is embedgate as a file of that name: the tasks start it.
func program(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "embedgate")
	in, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	return to
}

// released is a runner of the release workflow for a tiny model whose channel
// release requires the given providers.
func released(t *testing.T, w tiny, needed string) workflowtest.Runner {
	t.Helper()
	flow, err := workflowtest.Read(releaseGate)
	require.NoError(t, err)
	return workflowtest.Runner{
		Workflow: flow, Artifacts: t.TempDir(),
		Env: append(slices.Clone(w.env), "EMBEDGATE="+program(t)),
		Checkout: func(t testing.TB, dir string) {
			b, err := os.ReadFile(filepath.Join(w.dir, "policy.yaml"))
			require.NoError(t, err)
			s := strings.Replace(string(b), "release: {require: [cpu, coreml, cuda]}", "release: {require: ["+needed+"]}", 1)
			require.Contains(t, s, "release: {require: ["+needed+"]}")
			write(t, filepath.Join(dir, "policy.yaml"), s)
			b, err = os.ReadFile("../../Taskfile.yml")
			require.NoError(t, err)
			write(t, filepath.Join(dir, "Taskfile.yml"), string(b))
			require.NoError(t, os.CopyFS(filepath.Join(dir, "golden"), os.DirFS(filepath.Join(w.dir, "golden"))))
		},
	}
}

func write(t testing.TB, path, s string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(s), 0o666))
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// refused requires that the gate refused with exit code 1 and that nothing was
// published.
func refused(t *testing.T, r workflowtest.Runner, all map[string]workflowtest.Outcome, why string) {
	t.Helper()
	gate := all["gate"]
	require.False(t, gate.OK)
	require.Contains(t, gate.Output, "exit status 1", "the gate's exit code, as task tells it")
	require.Regexp(t, why, gate.Output)
	require.False(t, all["publish"].Started, "publishing does not even begin")
	require.NoDirExists(t, filepath.Join(r.Artifacts, "release"))
	require.Contains(t, read(t, filepath.Join(r.Artifacts, "verdict", "verdict.json")), `"result": "FAIL"`, "the refusal can be read")
}

func TestTheReleaseWorkflowPublishesWhatEveryRequiredMachineProvedAndNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures a tiny model several times: run without -short")
	}
	t.Parallel()
	w := newTiny(t)
	r := released(t, w, "cpu")
	all := r.Run(t, "export", "measure", "gate", "publish")
	for _, job := range []string{"export", "measure cpu", "measure coreml", "measure cuda", "gate", "publish"} {
		require.True(t, all[job].OK, "%s\n%s", job, all[job].Output)
	}
	require.Contains(t, all["measure coreml"].Output, "NOT MEASURED")
	require.Contains(t, all["gate"].Output, "PASS: tiny-bert for channel release")
	release := filepath.Join(r.Artifacts, "release", "tiny-bert-1.0.0")
	out, err := w.command("verify", "--channel", "release", "--golden", "golden", release).CombinedOutput()
	require.NoError(t, err, "%s", out)

	// From here on the same machines' evidence, spoilt in one way each.
	again := func(t *testing.T, spoil func(t *testing.T, artifacts string)) (workflowtest.Runner, map[string]workflowtest.Outcome) {
		t.Helper()
		c := r
		c.Artifacts = t.TempDir()
		for _, a := range []string{"candidate", "evidence-cpu", "evidence-coreml", "evidence-cuda"} {
			require.NoError(t, os.CopyFS(filepath.Join(c.Artifacts, a), os.DirFS(filepath.Join(r.Artifacts, a))))
		}
		spoil(t, c.Artifacts)
		return c, c.Run(t, "gate", "publish")
	}
	t.Run("required evidence that is missing", func(t *testing.T) {
		c, all := again(t, func(t *testing.T, a string) { require.NoError(t, os.RemoveAll(filepath.Join(a, "evidence-cpu"))) })
		refused(t, c, all, `cpu.*NOT MEASURED`)
	})
	t.Run("evidence of another round", func(t *testing.T) {
		c, all := again(t, func(t *testing.T, a string) { write(t, filepath.Join(a, "candidate", "plan"), "another-round\n") })
		refused(t, c, all, `answers plan`)
	})
	t.Run("evidence for another policy", func(t *testing.T) {
		c := r
		checkout := c.Checkout
		c.Checkout = func(t testing.TB, dir string) {
			checkout(t, dir)
			write(t, filepath.Join(dir, "policy.yaml"), read(t, filepath.Join(dir, "policy.yaml"))+"# a comment, and so another policy\n")
		}
		c.Artifacts = t.TempDir()
		for _, a := range []string{"candidate", "evidence-cpu"} {
			require.NoError(t, os.CopyFS(filepath.Join(c.Artifacts, a), os.DirFS(filepath.Join(r.Artifacts, a))))
		}
		refused(t, c, c.Run(t, "gate", "publish"), `measured with policy`)
	})
	t.Run("evidence of another candidate", func(t *testing.T) {
		c, all := again(t, func(t *testing.T, a string) {
			// The same model, exported otherwise: right in all but its digest.
			manifest := filepath.Join(a, "candidate", "candidate", "candidate.json")
			other := strings.Replace(read(t, manifest), `"versions": {`, `"versions": {"other": "1",`, 1)
			require.NotEqual(t, read(t, manifest), other)
			write(t, manifest, other)
		})
		refused(t, c, all, `measured with candidate`)
	})
	t.Run("evidence that came twice", func(t *testing.T) {
		c, all := again(t, func(t *testing.T, a string) {
			require.NoError(t, os.CopyFS(filepath.Join(a, "evidence-mine"), os.DirFS(filepath.Join(a, "evidence-cpu"))))
		})
		require.False(t, all["gate"].OK)
		require.Contains(t, all["gate"].Output, "wanted a folder evidence-PROVIDER")
		require.NoDirExists(t, filepath.Join(c.Artifacts, "release"))
	})
	t.Run("a job that speaks for another job's provider", func(t *testing.T) {
		c, all := again(t, func(t *testing.T, a string) {
			require.NoError(t, os.Rename(filepath.Join(a, "evidence-cpu", "cpu-fp32"), filepath.Join(a, "evidence-coreml", "cpu-fp32")))
			require.NoError(t, os.RemoveAll(filepath.Join(a, "evidence-cpu")))
		})
		require.False(t, all["gate"].OK)
		require.Contains(t, all["gate"].Output, `got evidence of provider "cpu" from the job of coreml, wanted evidence of coreml alone`)
		require.NoDirExists(t, filepath.Join(c.Artifacts, "release"))
	})
	t.Run("a verdict on another round", func(t *testing.T) {
		c, _ := again(t, func(*testing.T, string) {})
		require.NoError(t, os.RemoveAll(filepath.Join(c.Artifacts, "release")))
		write(t, filepath.Join(c.Artifacts, "candidate", "plan"), "another-round\n")
		all := c.Run(t, "publish")
		require.False(t, all["publish"].OK)
		require.Contains(t, all["publish"].Output, `wanted round "another-round"`)
		require.NoDirExists(t, filepath.Join(c.Artifacts, "release"))
	})
	t.Run("a verdict for another channel", func(t *testing.T) {
		c, _ := again(t, func(*testing.T, string) {})
		require.NoError(t, os.RemoveAll(filepath.Join(c.Artifacts, "release")))
		verdict := filepath.Join(c.Artifacts, "verdict", "verdict.json")
		write(t, verdict, strings.Replace(read(t, verdict), `"channel": "release"`, `"channel": "local"`, 1))
		all := c.Run(t, "publish")
		require.False(t, all["publish"].OK)
		require.Contains(t, all["publish"].Output, "got a verdict for channel local, wanted channel release")
		require.NoDirExists(t, filepath.Join(c.Artifacts, "release"))
	})
	t.Run("a verdict on other evidence", func(t *testing.T) {
		c, _ := again(t, func(*testing.T, string) {})
		require.NoError(t, os.RemoveAll(filepath.Join(c.Artifacts, "release")))
		require.NoError(t, os.RemoveAll(filepath.Join(c.Artifacts, "evidence-cpu")))
		all := c.Run(t, "publish")
		require.False(t, all["publish"].OK)
		require.NoDirExists(t, filepath.Join(c.Artifacts, "release"))
	})
	t.Run("the shipped channel's machines, which are not here", func(t *testing.T) {
		c := released(t, w, "cpu, coreml, cuda")
		refused(t, c, c.Run(t, "export", "measure", "gate", "publish"), `(?s)FAIL: .*coreml.*cuda`)
	})
}
