package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newExport(s *streams) *cobra.Command {
	var f common
	var out string
	var plain bool
	c := &cobra.Command{
		Use:   "export --out DIR",
		Short: "Turn the policy's model into ONNX: a candidate directory",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.begin(s, c, "out")
			if err != nil {
				return err
			}
			x, err := pipeline.Export(c.Context(), o, out, plain)
			if err != nil {
				return err
			}
			from := "exported"
			if x.Cached {
				from = "taken from the cache"
			}
			_, err = fmt.Fprintf(s.out, "%s: candidate %s, %s\n", out, x.Digest, from)
			return err
		},
	}
	f.policyFlag(c)
	f.pythonFlag(c)
	c.Flags().StringVar(&out, "out", "", "candidate directory to write")
	c.Flags().BoolVar(&plain, "plain", false, "export as any torch.onnx.export user would, for comparison")
	return c
}
