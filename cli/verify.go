package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/report"
)

func newVerify(s *streams) *cobra.Command {
	var f common
	var provider, own string
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Is this release whole and proven; with --measure, also on this machine",
		Args:  wantArgs(1, 1, "a release directory"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := pipeline.Verify(c.Context(), args[0], own, f.channel)
			defer func() { _ = r.Close() }() // a folder to read from
			if f.json {
				if e := encodeJSON(s.out, r); e != nil {
					return e
				}
			} else {
				for _, i := range r.Items {
					state := "ok  "
					if !i.OK {
						state = "FAIL"
					}
					fmt.Fprintf(s.out, "%s  %-18s %s\n", state, i.Name, i.Detail)
				}
			}
			if err != nil || provider == "" {
				return err
			}
			o, err := f.options(s)
			if err != nil {
				return err
			}
			v, absent, err := pipeline.MeasureRelease(c.Context(), o, r, provider)
			for _, variant := range absent {
				fmt.Fprintf(s.out, "%-12s here: %s × %s: the release does not hold its file, which passed nowhere\n", "not there", provider, variant)
			}
			if err != nil {
				return err
			}
			shown, bad := report.Here(s.out, v, provider)
			return hereError(provider, shown, bad)
		},
	}
	f.runtimeFlags(c)
	f.jsonFlag(c)
	c.Flags().StringVar(&f.channel, "channel", "", "channel that the release must be out for (default: any; the first line says which)")
	c.Flags().StringVar(&own, "golden", "", "golden directory that the model is to be compared with (default: the one built in for the model's name)")
	c.Flags().StringVar(&provider, "measure", "", "also run the model on this machine's provider and check tokens, parity and invariance again")
	return c
}

// hereError turns what was found on this machine into an error.
func hereError(provider string, shown, bad int) error {
	switch {
	case shown == 0:
		return &fault.Error{Kind: fault.Missing, Thing: "--measure " + provider, Got: "nothing measured", Wanted: "a provider of the release's policy that runs here", Next: "embedgate doctor"}
	case bad > 0:
		return &fault.Error{Kind: fault.Refused, Thing: "this machine's " + provider, Got: fmt.Sprintf("%d checks not passed", bad), Wanted: "all passed", Next: "see above"}
	}
	return nil
}
