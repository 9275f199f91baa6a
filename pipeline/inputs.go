package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// inputs is what most stages work on.
type inputs struct {
	Policy    policy.Policy
	Golden    golden.Set
	Candidate candidate.Candidate
}

// read reads the policy, the golden that it means and a candidate directory.
func (o Options) read(candidateDir string) (in inputs, err error) {
	if in.Policy, err = policy.Load(o.PolicyFile); err != nil {
		return in, err
	}
	if in.Candidate, err = candidate.Read(candidateDir); err != nil {
		return in, err
	}
	in.Golden, err = readGoldenOf(in.Policy, o.PolicyFile)
	return in, err
}

// goldenDir is the directory of the golden that a policy names.
func goldenDir(p policy.Policy, policyFile string) string {
	if dir := p.Model.Golden; filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(policyFile), p.Model.Golden)
}

// readGoldenOf reads the golden that a policy names, or the one built in for its
// model.
func readGoldenOf(p policy.Policy, policyFile string) (golden.Set, error) {
	if p.Model.Golden != "" {
		dir := goldenDir(p, policyFile)
		if _, err := os.Stat(filepath.Join(dir, golden.ManifestName)); errors.Is(err, os.ErrNotExist) {
			return golden.Set{}, &fault.Error{
				Kind: fault.Usage, Thing: "model.golden", Got: fmt.Sprintf("%s, where no %s is", p.Model.Golden, golden.ManifestName),
				Wanted: "a directory of golden vectors", Next: fmt.Sprintf("embedgate golden --policy %s --out %s", policyFile, dir),
			}
		}
		return golden.Read(dir)
	}
	g, ok, err := golden.Builtin(p.Model.Name)
	if err == nil && !ok {
		err = &fault.Error{
			Kind: fault.Usage, Thing: "model.golden", Got: fmt.Sprintf("none, and none is built in for %q", p.Model.Name),
			Wanted: "a directory of golden vectors", Next: "embedgate golden --out golden/" + p.Model.Name + ", then name it in the policy",
		}
	}
	return g, err
}
