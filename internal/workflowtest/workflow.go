// Package workflowtest runs a CI workflow on this machine, one folder a job, so
// that a workflow and its test cannot drift apart. It knows as much of the
// format as embedgate's own workflows use and fails on all else. It is for
// tests, and must not know what the tasks do.
package workflowtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Workflow is one workflow file.
type Workflow struct {
	Jobs map[string]Job `yaml:"jobs"`

	root string // the repository that it is of
}

// Job is one job of a workflow.
type Job struct {
	Needs    needs `yaml:"needs"`
	If       string
	Env      map[string]string
	Strategy struct {
		Matrix struct {
			Include []map[string]any // one run of the job for each
		}
	}
	Steps []Step
}

// Step is a task or an action.
type Step struct {
	Name, Uses, Run, If string
	With                map[string]any
}

// needs is a name or a list of them.
type needs []string

// UnmarshalYAML reads either form.
func (n *needs) UnmarshalYAML(b []byte) error {
	if err := yaml.Unmarshal(b, (*[]string)(n)); err == nil {
		return nil
	}
	var one string
	err := yaml.Unmarshal(b, &one)
	*n = needs{one}
	return err
}

// Read reads a workflow file of a repository: ROOT/.github/workflows/NAME.yml.
func Read(path string) (w Workflow, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return w, err
	}
	w.root = filepath.Join(filepath.Dir(path), "..", "..")
	return w, yaml.Unmarshal(b, &w)
}

// Order is the jobs so that each comes after those that it needs.
func (w Workflow) Order() (names []string, err error) {
	for len(names) < len(w.Jobs) {
		before := len(names)
		for _, n := range sorted(w.Jobs) {
			if slices.Contains(names, n) || slices.ContainsFunc(w.Jobs[n].Needs, func(m string) bool { return !slices.Contains(names, m) }) {
				continue
			}
			names = append(names, n)
		}
		if len(names) == before {
			return nil, fmt.Errorf("jobs %v need each other, or one that is not there", sorted(w.Jobs))
		}
	}
	return names, nil
}

// runs is one run of the job for each line of its matrix, or one.
func (j Job) runs() []map[string]any {
	if m := j.Strategy.Matrix.Include; len(m) > 0 {
		return m
	}
	return []map[string]any{nil}
}

var matrixValue = regexp.MustCompile(`\$\{\{ matrix\.([a-z]+) \}\}`)

// expand puts a matrix line's values into a string. No other expression is
// known.
func expand(s string, line map[string]any) (string, error) {
	s = matrixValue.ReplaceAllStringFunc(s, func(m string) string {
		return fmt.Sprint(line[matrixValue.FindStringSubmatch(m)[1]])
	})
	if strings.Contains(s, "${{") {
		return "", fmt.Errorf("%s: got an expression that this test does not know", s)
	}
	return s, nil
}

const notCancelled = "${{ !cancelled() }}"

var ifResult = regexp.MustCompile(`^\$\{\{ !cancelled\(\) && needs\.([a-z]+)\.result == 'success' \}\}$`)

// starts reports whether a job runs, given which of the earlier ones succeeded.
func (j Job) starts(ok map[string]bool) (bool, error) {
	if j.If == "" {
		return !slices.ContainsFunc(j.Needs, func(n string) bool { return !ok[n] }), nil
	}
	if m := ifResult.FindStringSubmatch(j.If); m != nil && slices.Contains(j.Needs, m[1]) {
		return ok[m[1]], nil
	}
	return false, fmt.Errorf("if: %s: got a condition that this test does not know", j.If)
}
