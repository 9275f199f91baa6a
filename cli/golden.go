package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newGolden(s *streams) *cobra.Command {
	var f common
	var out, texts string
	c := &cobra.Command{
		Use:   "golden --out DIR",
		Short: "Compute golden vectors in float64 from the policy's pinned weights",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.begin(s, c, "out")
			if err != nil {
				return err
			}
			g, err := pipeline.Golden(c.Context(), o, out, texts)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s: %d texts, digest %s\n", out, len(g.Texts), g.Digest)
			return err
		},
	}
	f.policyFlag(c)
	f.pythonFlag(c)
	c.Flags().StringVar(&out, "out", "", "golden directory to write")
	c.Flags().StringVar(&texts, "texts", "", "texts.jsonl (default: embedgate's own corpus)")
	return c
}
