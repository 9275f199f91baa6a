package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
)

// jobPrefix begins the name of the folder that a measuring job leaves.
const jobPrefix = "evidence-"

// evidenceFlags are the two ways of naming evidence.
type evidenceFlags struct{ jobs string }

func (f *evidenceFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.jobs, "jobs", "", "folder with a folder evidence-PROVIDER of each measuring job: from it that provider's evidence is taken, and any other refused")
}

// args wants evidence named in one of the two ways.
func (f *evidenceFlags) args(c *cobra.Command, args []string) error {
	got := fmt.Sprintf("%d arguments", len(args))
	switch {
	case f.jobs == "" && len(args) > 0, f.jobs != "" && len(args) == 0:
		return nil
	case f.jobs != "":
		got += " and --jobs"
	}
	return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Got: got, Wanted: "evidence directories, or --jobs DIR", Next: c.CommandPath() + " --help"}
}

// dirs are the evidence directories: the arguments, or what lies in the folders
// of the jobs. A job speaks for its own provider alone: whoever can change one
// job must not be able to answer for another's machine. A job that left no
// folder did not measure, and the gate says so.
func (f *evidenceFlags) dirs(p policy.Policy, args []string) (dirs []string, err error) {
	if f.jobs == "" {
		return args, nil
	}
	bad := func(thing, got, wanted string, err error) error {
		return &fault.Error{
			Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Err: err,
			Next: "look at the job that left it, and at who can change that job; then start a new round",
		}
	}
	jobs, err := folders(f.jobs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, bad(f.jobs, "", "a folder of folders, one a job", err)
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
