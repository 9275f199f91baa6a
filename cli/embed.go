package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newEmbed(s *streams) *cobra.Command {
	var f textFlags
	var variant string
	c := &cobra.Command{
		Use:   "embed [--release DIR] [TEXT… | -]",
		Short: `Print one JSON line a text: {"vector":[…]}`,
		Args:  wantArgs(1, -1, "texts, or - to read them from stdin"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			o, err := f.options(s)
			if err != nil {
				return err
			}
			m, err := pipeline.Embed(ctx, o, f.release, variant)
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			out := json.NewEncoder(s.out)
			return f.each(ctx, s.in, args, func(text string) error {
				vecs, err := m.Embed(ctx, []string{text})
				if err != nil {
					return err
				}
				return out.Encode(struct {
					Vector []float32 `json:"vector"`
				}{vecs[0]})
			})
		},
	}
	f.flags(c)
	f.runtimeFlags(c)
	c.Flags().StringVar(&variant, "variant", "", "which of the release's variants (default: the fastest that passed on this machine's provider)")
	return c
}
