package cli

import (
	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/report"
)

func newInspect(s *streams) *cobra.Command {
	var f common
	var provider string
	tokens := []int{16, 128}
	c := &cobra.Command{
		Use:   "inspect FILE.onnx",
		Short: "Say what a model file holds and how a provider would take it; runs nothing",
		Args:  wantArgs(1, 1, "one .onnx file"),
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := pipeline.Inspect(args[0], provider, tokens)
			if err != nil {
				return err
			}
			if f.json {
				return encodeJSON(s.out, x)
			}
			return report.Inspection(s.out, x)
		},
	}
	f.jsonFlag(c)
	c.Flags().StringVar(&provider, "for", "", "provider that would run it: say which nodes it would take, in how many partitions, and why not the others")
	c.Flags().IntSliceVar(&tokens, "tokens", tokens, "lengths of text to count arithmetic for, where the graph does not fix one")
	return c
}
