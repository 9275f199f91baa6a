package cli

import (
	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/report"
	"github.com/embedgate/embedgate/validate/verdict"
)

func newRun(s *streams) *cobra.Command {
	var f common
	var o pipeline.RunOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Export, measure, judge and publish, on this machine",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Options, err = f.options(s); err != nil {
				return err
			}
			st, err := pipeline.Run(c.Context(), o)
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
	c.Flags().StringVar(&o.Target, "to", "dist", "directory that gets the release")
	c.Flags().StringSliceVar(&o.Providers, "providers", nil, "measure only these providers (default: all that the policy names)")
	c.Flags().BoolVar(&o.Portability, "portability", false, "measure on the processors of the policy's portability, too (default: where the channel requires it)")
	c.Flags().StringVar(&o.Candidate, "candidate", "", "judge this candidate directory instead of exporting one")
	c.Flags().StringVar(&o.Report, "report", "", "keep the evidence and the verdict in this directory")
	return c
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
		err = report.Tables(s.out, v, r, report.Options{Color: isTerminal(s.out)})
	}
	if err != nil {
		return err
	}
	return verdictError(v)
}

func verdictError(v verdict.Verdict) error {
	for _, t := range v.SelfTest {
		if t.Result != verdict.Pass {
			return alreadyReported(fault.Internal)
		}
	}
	switch v.Result {
	case verdict.Pass:
		return nil
	case verdict.Inconclusive:
		return alreadyReported(fault.Unsure)
	default:
		return alreadyReported(fault.Refused)
	}
}
