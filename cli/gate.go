package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
)

func newGate(s *streams) *cobra.Command {
	var f common
	var g pipeline.GateOptions
	c := &cobra.Command{
		Use:   "gate --candidate DIR --out FILE EVIDENCE… | --jobs DIR",
		Short: "Judge evidence: a verdict",
		Args:  evidenceArgs(&g.Evidence),
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.begin(s, c, "candidate", "out")
			if err != nil {
				return err
			}
			v, err := pipeline.Gate(c.Context(), o, g)
			if err != nil {
				return err
			}
			return f.showVerdict(s, v, nil)
		},
	}
	f.policyFlag(c)
	f.channelFlag(c)
	f.jsonFlag(c)
	evidenceFlag(c, &g.Evidence)
	c.Flags().StringVar(&g.Candidate, "candidate", "", "candidate directory")
	c.Flags().StringVar(&g.Out, "out", "", "verdict file to write")
	c.Flags().StringVar(&g.Nonce, "nonce", "", "plan that the evidence must answer, or @FILE that plan wrote")
	return c
}

// evidenceFlag and evidenceArgs are the two ways of naming evidence, of which
// exactly one must be used.
func evidenceFlag(c *cobra.Command, e *pipeline.EvidenceSource) {
	c.Flags().StringVar(&e.Jobs, "jobs", "", "folder with a folder evidence-PROVIDER of each measuring job: from it that provider's evidence is taken, and any other refused")
}

func evidenceArgs(e *pipeline.EvidenceSource) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		got := fmt.Sprintf("%d arguments", len(args))
		switch {
		case e.Jobs == "" && len(args) > 0, e.Jobs != "" && len(args) == 0:
			e.Dirs = args
			return nil
		case e.Jobs != "":
			got += " and --jobs"
		}
		return &fault.Error{Kind: fault.Usage, Thing: c.CommandPath(), Got: got, Wanted: "evidence directories, or --jobs DIR", Next: c.CommandPath() + " --help"}
	}
}
