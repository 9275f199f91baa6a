package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
)

func newPublish(s *streams) *cobra.Command {
	var f common
	var x pipeline.PublishOptions
	c := &cobra.Command{
		Use:   "publish --candidate DIR --verdict FILE --channel NAME --nonce @FILE --to TARGET EVIDENCE… | --jobs DIR",
		Short: "Publish what a PASS verdict covers, and nothing else",
		Args:  evidenceArgs(&x.Evidence),
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.begin(s, c, "candidate", "verdict", "channel", "nonce", "to")
			if err != nil {
				return err
			}
			r, err := pipeline.Publish(c.Context(), o, x)
			if err != nil {
				return err
			}
			abs, err := filepath.Abs(r.Dir)
			if err != nil {
				abs = r.Dir
			}
			state := "published"
			if r.Existed {
				state = "was there already with the same content; nothing was changed"
			}
			_, err = fmt.Fprintf(s.out, "%s: %s (content %s)\n", abs, state, r.Digest)
			return err
		},
	}
	f.policyFlag(c)
	evidenceFlag(c, &x.Evidence)
	c.Flags().StringVar(&x.Candidate, "candidate", "", "candidate directory")
	c.Flags().StringVar(&x.Verdict, "verdict", "", "verdict file that gate wrote")
	c.Flags().StringVar(&f.channel, "channel", "", "channel that the verdict must be for")
	c.Flags().StringVar(&x.Nonce, "nonce", "", "plan that the verdict must be on, or @FILE that plan wrote")
	c.Flags().StringVar(&x.Target, "to", "", "directory that gets the release")
	return c
}
