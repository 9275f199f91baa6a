package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newTokenize(s *streams) *cobra.Command {
	var f textFlags
	c := &cobra.Command{
		Use:   "tokenize [--release DIR] [TEXT… | -]",
		Short: `Print one JSON line a text: {"ids":[…]}`,
		Args:  wantArgs(1, -1, "texts, or - to read them from stdin"),
		RunE: func(c *cobra.Command, args []string) error {
			tok, err := pipeline.OpenTokenizer(f.release)
			if err != nil {
				return err
			}
			out := json.NewEncoder(s.out)
			return f.each(c.Context(), s.in, args, func(text string) error {
				return out.Encode(struct {
					IDs []int64 `json:"ids"`
				}{tok.IDs(text)})
			})
		},
	}
	f.flags(c)
	return c
}
