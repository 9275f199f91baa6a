package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
)

// jobPrefix begins the name of the folder that a measuring job leaves.
const jobPrefix = "evidence-"

// EvidenceSource names evidence in one of two ways.
type EvidenceSource struct {
	Dirs []string // evidence directories
	// Jobs is a folder with a folder evidence-PROVIDER of each measuring job;
	// "": Dirs are meant.
	Jobs string
}

// list is the evidence directories: those that were named, or what lies in the folders
// of the jobs. A job speaks for its own provider alone: whoever can change one
// job must not be able to answer for another's machine. A job that left no
// folder did not measure, and the gate says so.
func (f EvidenceSource) list(p policy.Policy) (dirs []string, err error) {
	if f.Jobs == "" {
		return f.Dirs, nil
	}
	bad := func(thing, got, wanted string, err error) error {
		return &fault.Error{
			Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Err: err,
			Next: "look at the job that left it, and at who can change that job; then start a new round",
		}
	}
	jobs, err := folders(f.Jobs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, bad(f.Jobs, "", "a folder of folders, one a job", err)
	}
	for _, job := range jobs {
		provider, ok := strings.CutPrefix(filepath.Base(job), jobPrefix)
		if _, known := p.Providers[provider]; !ok || !known {
			return nil, bad(job, "", fmt.Sprintf("a folder %sPROVIDER, where PROVIDER is one of %q", jobPrefix, slices.Sorted(maps.Keys(p.Providers))), nil)
		}
		mine, err := folders(job)
		if err != nil {
			return nil, bad(job, "", "a folder of evidence folders", err)
		}
		for _, dir := range mine {
			e, err := evidence.Read(dir)
			if err != nil {
				return nil, err
			}
			if e.Provider != provider {
				return nil, bad(dir, fmt.Sprintf("evidence of provider %.60q from the job of %s", e.Provider, provider), "evidence of "+provider+" alone", nil)
			}
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// folders lists what lies in dir, which must be folders and nothing else.
func folders(dir string) (all []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			return nil, fmt.Errorf("got %s, which is no folder", e.Name())
		}
		all = append(all, filepath.Join(dir, e.Name()))
	}
	return all, nil
}
