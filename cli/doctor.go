package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/setup"
)

func newDoctor(s *streams) *cobra.Command {
	var f common
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what was found on this machine, what is missing and how to get it",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list := setup.Examine(c.Context(), setup.Options{OrtLib: f.ortLib, Python: f.python})
			if f.json {
				if err := encodeJSON(s.out, list); err != nil {
					return err
				}
			} else {
				for _, x := range list {
					state := "ok     "
					switch {
					case !x.OK && x.Needed:
						state = "MISSING"
					case !x.OK:
						state = "absent "
					}
					fmt.Fprintf(s.out, "%s  %-22s %s\n", state, x.Name, x.Found)
					if !x.OK && x.Next != "" {
						fmt.Fprintf(s.out, "         %-22s next: %s\n", "", x.Next)
					}
				}
			}
			for _, x := range list {
				if x.Needed && !x.OK {
					return &fault.Error{Kind: fault.Missing, Thing: x.Name, Got: x.Found, Wanted: "it, to export and measure", Next: x.Next}
				}
			}
			return nil
		},
	}
	f.runtimeFlags(c)
	f.pythonFlag(c)
	f.jsonFlag(c)
	return c
}
