package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/policy"
)

func newBundle(s *streams) *cobra.Command {
	var f common
	var x pipeline.BundleOptions
	var join string
	var size sizeFlag
	c := &cobra.Command{
		Use:   "bundle --candidate DIR --for PROVIDER --out DIR | --join PARTS --out DIR",
		Short: "Make a folder that lets a machine without network, Go or Python measure",
		Long: `bundle makes a folder with everything that measuring a provider needs: this
program, the candidate, the policy, its golden vectors and the runtime's
libraries. On the other machine start measure.sh (measure.cmd on Windows) in it
and bring back its folder evidence for embedgate gate.

With --part-size it makes parts of the folder instead, with their sha256;
--join, or join.sh beside them, checks the parts and joins them. To bundle for
another platform, name its program and library: --binary FILE --ort-lib FILE.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if join != "" {
				if err := required(c, "out"); err != nil {
					return err
				}
				r, err := pipeline.JoinBundle(c.Context(), join, x.Out)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(s.out, "%s: joined from %d parts, for %s on %s\nparts' digest: %s\n", r.Dir, r.Parts, r.Manifest.Provider, r.Manifest.Platform, r.Digest)
				return err
			}
			o, err := f.begin(s, c, "candidate", "for", "out")
			if err != nil {
				return err
			}
			x.PartSize = int64(size)
			r, err := pipeline.Bundle(c.Context(), o, x)
			if err != nil {
				return err
			}
			what := "start measure.sh there"
			if r.Parts > 0 {
				what = fmt.Sprintf("%d parts: sh join.sh FOLDER there", r.Parts)
			}
			_, err = fmt.Fprintf(s.out, "%s: for %s on %s; %s\ndigest: %s\n", r.Dir, r.Manifest.Provider, r.Manifest.Platform, what, r.Digest)
			return err
		},
	}
	f.policyFlag(c)
	f.runtimeFlags(c)
	c.Flags().StringVar(&x.Candidate, "candidate", "", "candidate directory")
	c.Flags().StringVar(&x.Provider, "for", "", "provider that the other machine is to measure")
	c.Flags().StringVar(&x.Out, "out", "", "folder to make")
	c.Flags().Var(&size, "part-size", "make parts of at most this size, such as 60MiB")
	c.Flags().StringVar(&x.Binary, "binary", "", "embedgate for the other machine (default: this one)")
	c.Flags().StringVar(&x.Nonce, "nonce", "", "name of the plan that the evidence answers, or @FILE that holds it")
	c.Flags().StringVar(&join, "join", "", "folder of parts to check and join")
	return c
}

// sizeFlag is a number of bytes, written "60MiB".
type sizeFlag policy.Bytes

func (v *sizeFlag) String() string { return fmt.Sprint(int64(*v)) }
func (v *sizeFlag) Type() string   { return "size" }
func (v *sizeFlag) Set(s string) error {
	return (*policy.Bytes)(v).UnmarshalYAML([]byte(s)) // as the policy writes sizes
}
