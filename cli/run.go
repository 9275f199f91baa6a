package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/report"
	"github.com/embedgate/embedgate/validate/verdict"
)

func newRun(s *streams) *cobra.Command {
	var f common
	var target, candidateDir, reportDir string
	var only []string
	var portable bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Export, measure, judge and publish, on this machine",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			o.Target, o.Candidate, o.Providers = target, candidateDir, only
			o.Portability = portable
			work, done, err := workDir(reportDir)
			if err != nil {
				return err
			}
			defer done()
			o.WorkDir = work
			st, err := pipeline.Run(c.Context(), o, s.show)
			s.show.Close()
			if err != nil {
				return err
			}
			return f.showVerdict(s, st.Verdict, release(st))
		},
	}
	f.policyFlag(c)
	f.channelFlag(c)
	f.runtimeFlags(c)
	f.pythonFlag(c)
	f.jsonFlag(c)
	c.Flags().StringVar(&target, "to", "dist", "directory that gets the release")
	c.Flags().StringSliceVar(&only, "providers", nil, "measure only these providers (default: all that the policy names)")
	c.Flags().BoolVar(&portable, "portability", false, "measure on the processors of the policy's portability, too (default: where the channel requires it)")
	c.Flags().StringVar(&candidateDir, "candidate", "", "judge this candidate directory instead of exporting one")
	c.Flags().StringVar(&reportDir, "report", "", "keep the evidence and the verdict in this directory")
	return c
}

// workDir is where evidence and verdict are written and read again: the report
// directory, or one of the cache's that goes when the run ends.
func workDir(reportDir string) (string, func(), error) {
	if reportDir != "" {
		if err := os.MkdirAll(reportDir, 0o777); err != nil {
			return "", nil, &fault.Error{Kind: fault.Usage, Thing: "--report " + reportDir, Wanted: "a directory that can be written", Err: err, Next: "name another, or correct the permissions there"}
		}
		return reportDir, func() {}, nil
	}
	base, err := cache.Dir()
	if err != nil {
		return "", nil, err
	}
	return cache.Temp(filepath.Join(base, "runs"))
}

func release(st *pipeline.State) *report.Release {
	if st.Release == nil {
		return nil
	}
	return &report.Release{Dir: st.Release.Dir, Existed: st.Release.Existed, Digest: st.Release.Digest}
}

// showVerdict prints the tables, or JSON, and turns the verdict into the error
// that carries its exit code.
func (f *common) showVerdict(s *streams, v verdict.Verdict, r *report.Release) error {
	var err error
	if f.json {
		err = report.JSON(s.out, v, r)
	} else {
		err = report.Tables(s.out, v, r, report.Options{Color: fancy(s.out)})
	}
	if err != nil {
		return err
	}
	return verdictError(v)
}

func verdictError(v verdict.Verdict) error {
	for _, t := range v.SelfTest {
		if t.Result != verdict.Pass {
			return told(fault.Internal)
		}
	}
	switch v.Result {
	case verdict.Pass:
		return nil
	case verdict.Inconclusive:
		return told(fault.Unsure)
	default:
		return told(fault.Refused)
	}
}
