package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newPlan(s *streams) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "plan --out FILE",
		Short: "Name a round of measuring on several machines: measure and gate take it as --nonce @FILE",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "out"); err != nil {
				return err
			}
			nonce, err := pipeline.Plan(out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s: plan %s\n", out, nonce)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write")
	return c
}
