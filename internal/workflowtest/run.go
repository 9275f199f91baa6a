package workflowtest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/cache"
)

// Runner runs a workflow's jobs. Artifacts is the one folder that jobs share.
type Runner struct {
	Workflow  Workflow
	Checkout  func(t testing.TB, dir string)             // what actions/checkout leaves in a job's folder
	Artifacts string                                     // a folder for each artifact
	Env       []string                                   // of each task
	Before    func(t testing.TB, job, dir string)        // may be nil: called when a job's first task is about to run
	Skip      func(job string, line map[string]any) bool // may be nil: runs whose machine is not there: they fail
}

// Outcome is how one run of a job ended.
type Outcome struct {
	Job     string // "measure", "measure cpu"
	Dir     string // its folder
	Started bool
	OK      bool
	Output  string // of its tasks, stdout and stderr
}

// Run runs the named jobs, in the order of their needs; the others count as
// succeeded earlier, and what they left lies in Artifacts.
func (r Runner) Run(t testing.TB, jobs ...string) map[string]Outcome {
	t.Helper()
	order, err := r.Workflow.Order()
	require.NoError(t, err)
	ok, all := map[string]bool{}, map[string]Outcome{}
	for _, name := range order {
		ok[name] = true
		if !slices.Contains(jobs, name) {
			continue
		}
		j := r.Workflow.Jobs[name]
		starts, err := j.starts(maps.Clone(ok))
		require.NoError(t, err, name)
		for _, line := range j.runs() {
			key := strings.TrimSuffix(name+" "+fmt.Sprint(line["provider"]), " <nil>")
			o := Outcome{Job: key, Started: starts}
			if starts && (r.Skip == nil || !r.Skip(name, line)) {
				o = r.job(t, key, name, j, line)
			}
			all[key] = o
			ok[name] = ok[name] && o.OK
		}
	}
	return all
}

// job runs one job in a folder of its own.
func (r Runner) job(t testing.TB, key, name string, j Job, line map[string]any) Outcome {
	t.Helper()
	o := Outcome{Job: key, Dir: t.TempDir(), Started: true, OK: true}
	env := slices.Clone(r.Env)
	for k, v := range j.Env {
		v, err := expand(v, line)
		require.NoError(t, err, key)
		env = append(env, k+"="+v)
	}
	reported := false
	for _, s := range j.Steps {
		require.Contains(t, []string{"", notCancelled}, s.If, "%s: %s", key, s.Name)
		if !o.OK && s.If != notCancelled {
			continue
		}
		with := map[string]string{}
		for k, v := range s.With {
			var err error
			with[k], err = expand(fmt.Sprint(v), line)
			require.NoError(t, err, key)
		}
		if s.Run != "" {
			if r.Before != nil && !reported {
				r.Before(t, key, o.Dir)
				reported = true
			}
			out, good := r.task(t, s.Run, o.Dir, env)
			o.Output += out
			o.OK = o.OK && good
			continue
		}
		if err := r.action(t, s.Uses, o.Dir, with); err != nil {
			o.Output += err.Error() + "\n"
			o.OK = false
		}
	}
	return o
}

// taskStep is the only form that a step may have: one task.
var taskStep = regexp.MustCompile(`^sh tools/task ([a-z:]+)$`)

// taskProgram is what tools/task runs: the program task in a fixed version.
var taskProgram = regexp.MustCompile(`(?m)^exec go run (github\.com/go-task/task/v3/cmd/task@v3\.\d+\.\d+) "\$@"$`)

func (r Runner) task(t testing.TB, run, dir string, env []string) (output string, ok bool) {
	t.Helper()
	m := taskStep.FindStringSubmatch(run)
	require.NotNil(t, m, "%s: got a step that is not one task of the Taskfile", run)
	script, err := os.ReadFile(filepath.Join(r.Workflow.root, "tools", "task"))
	require.NoError(t, err)
	program := taskProgram.FindSubmatch(script)
	require.NotNil(t, program, "tools/task: got no go run of a fixed version of task")
	c := exec.CommandContext(t.Context(), runner(t, string(program[1])), m[1])
	c.Dir, c.Env = dir, env
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

// runner is the program that tools/task runs, kept in the user's cache: go run
// takes a second of processor time at each step.
func runner(t testing.TB, version string) string {
	t.Helper()
	root, err := cache.Dir()
	require.NoError(t, err)
	kept := filepath.Join(root, "tests", strings.ReplaceAll(path.Base(version), "@", "-")+"-"+runtime.Version())
	unlock, err := cache.Lock(context.Background(), kept, nil)
	require.NoError(t, err)
	defer unlock()
	if !cache.Exists(kept) {
		tmp, err := os.MkdirTemp(filepath.Dir(kept), ".tmp-")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(tmp) }()
		c := exec.CommandContext(t.Context(), "go", "install", version)
		c.Dir, c.Env = tmp, append(os.Environ(), "GOBIN="+tmp)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.Rename(tmp, kept))
	}
	found, err := filepath.Glob(filepath.Join(kept, "task*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// action does what the actions do that the workflows use.
func (r Runner) action(t testing.TB, uses, dir string, with map[string]string) error {
	name, _, _ := strings.Cut(uses, "@")
	at := func() string { return filepath.Join(dir, filepath.FromSlash(with["path"])) }
	switch name {
	case "actions/checkout":
		r.Checkout(t, dir)
	case "actions/setup-go", "actions/setup-python":
	case "actions/upload-artifact":
		// An artifact cannot be uploaded twice, nor one without files.
		require.Equal(t, "error", with["if-no-files-found"])
		to := filepath.Join(r.Artifacts, with["name"])
		if _, err := os.Stat(at()); err != nil {
			return err
		}
		return os.CopyFS(to, os.DirFS(at()))
	case "actions/download-artifact":
		if with["name"] != "" {
			return os.CopyFS(at(), os.DirFS(filepath.Join(r.Artifacts, with["name"])))
		}
		require.NotEmpty(t, with["pattern"], "merging artifacts lets one overwrite another")
		require.Empty(t, with["merge-multiple"], "merging artifacts lets one overwrite another")
		found, err := filepath.Glob(filepath.Join(r.Artifacts, with["pattern"]))
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := os.CopyFS(filepath.Join(at(), filepath.Base(f)), os.DirFS(f)); err != nil {
				return err
			}
		}
	default:
		require.Fail(t, "an action that this test does not know", uses)
	}
	return nil
}

func sorted(m map[string]Job) []string { return slices.Sorted(maps.Keys(m)) }
