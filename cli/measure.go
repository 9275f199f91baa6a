package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

func newMeasure(s *streams) *cobra.Command {
	var f common
	var m pipeline.MeasureOptions
	c := &cobra.Command{
		Use:   "measure --candidate DIR --provider P [--variant V] [--portability] --out DIR",
		Short: "Measure one variant on one provider: evidence, no judgement",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.begin(s, c, "candidate", "provider", "out")
			if err != nil {
				return err
			}
			return pipeline.Measure(c.Context(), o, m, func(dir string, e evidence.Evidence) error {
				row := verdict.Row{Provider: e.Provider, CPU: e.CPU}
				_, err := fmt.Fprintf(s.out, "%s: %s × %s %s\n", dir, row.On(), e.Variant, stateOf(e))
				return err
			})
		},
	}
	f.policyFlag(c)
	f.runtimeFlags(c)
	c.Flags().StringVar(&m.Candidate, "candidate", "", "candidate directory")
	c.Flags().StringVar(&m.Provider, "provider", "", "provider, such as cpu")
	c.Flags().StringVar(&m.Variant, "variant", "", "variant, such as fp32 (default: each that the policy lists for the provider, in a folder PROVIDER-VARIANT of --out)")
	c.Flags().StringVar(&m.Out, "out", "", "evidence directory to write")
	c.Flags().BoolVar(&m.Portability, "portability", false, "measure on the processors that the policy names for the provider, too, each in a folder PROVIDER-VARIANT@CPU of --out")
	c.Flags().StringVar(&m.Nonce, "nonce", "", "name of the plan this answers, or @FILE that plan wrote; gate --nonce wants the same")
	return c
}

// stateOf says in a line how far a measurement came.
func stateOf(e evidence.Evidence) string {
	switch n, c := e.NotMeasured, e.Crash; {
	case n != nil:
		return fmt.Sprintf("%s: %s; next: %s", verdict.NotMeasured, n.Reason, n.Remedy)
	case c != nil:
		return fmt.Sprintf("measured until its process ended during %s (%s); the gate says more", c.Stage, cmp.Or(c.Signal, fmt.Sprintf("exit status %d", c.Exit)))
	}
	return "measured"
}

func newMeasureChild() *cobra.Command {
	return &cobra.Command{
		Use: "measure-child JOB", Hidden: true, Args: wantArgs(1, 1, "a job file"),
		RunE: func(c *cobra.Command, args []string) error { return pipeline.MeasureChild(c.Context(), args) },
	}
}
