package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/bundle"
)

func newBundle(s *streams) *cobra.Command {
	var f common
	var o bundle.Options
	var dir, join, nonce string
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
				r, err := bundle.Join(c.Context(), join, o.Out)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(s.out, "%s: joined from %d parts, for %s on %s\nparts' digest: %s\n", r.Dir, r.Parts, r.Manifest.Provider, r.Manifest.Platform, r.Digest)
				return err
			}
			if err := required(c, "candidate", "for", "out"); err != nil {
				return err
			}
			s.show.Stage("bundle")
			var err error
			if o.Policy, err = policy.Load(f.policy); err != nil {
				return err
			}
			if o.Candidate, err = candidate.Read(dir); err != nil {
				return err
			}
			if o.Nonce, err = readNonce(nonce); err != nil {
				return err
			}
			if _, err := pipeline.Golden(o.Policy, f.policy); err != nil {
				return err // said here, not on the other machine
			}
			if o.Binary == "" {
				if o.Binary, err = os.Executable(); err != nil {
					return err
				}
			}
			if err := f.bundleLibraries(c, s, &o); err != nil {
				return err
			}
			o.PolicyDir, o.PartSize, o.Progress = filepath.Dir(f.policy), int64(size), s.show.Sink()
			r, err := bundle.Make(c.Context(), o)
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
	c.Flags().StringVar(&dir, "candidate", "", "candidate directory")
	c.Flags().StringVar(&o.Provider, "for", "", "provider that the other machine is to measure")
	c.Flags().StringVar(&o.Out, "out", "", "folder to make")
	c.Flags().Var(&size, "part-size", "make parts of at most this size, such as 60MiB")
	c.Flags().StringVar(&o.Binary, "binary", "", "embedgate for the other machine (default: this one)")
	c.Flags().StringVar(&nonce, "nonce", "", "name of the plan that the evidence answers, or @FILE that holds it")
	c.Flags().StringVar(&join, "join", "", "folder of parts to check and join")
	return c
}

// bundleLibraries finds what the other machine's embedgate would look for: the
// provider's library, and that of the provider it is compared with.
func (f *common) bundleLibraries(c *cobra.Command, s *streams, o *bundle.Options) error {
	opt, err := f.options()
	if err != nil {
		return err
	}
	names := []string{o.Provider}
	if w := o.Policy.WorthIt; w != nil && w.Provider != o.Provider {
		names = append(names, w.Provider)
	}
	o.Libraries = map[string]providers.Library{}
	for _, p := range names {
		if f.ortLib != "" { // another platform's: it is not opened here
			o.Libraries[p] = providers.Library{Path: f.ortLib}
			continue
		}
		lib, err := pipeline.FetchLibrary(c.Context(), p, opt, s.show.Sink())
		if err != nil {
			return err
		}
		o.Libraries[p] = lib
	}
	return nil
}

// sizeFlag is a number of bytes, written "60MiB".
type sizeFlag policy.Bytes

func (v *sizeFlag) String() string { return fmt.Sprint(int64(*v)) }
func (v *sizeFlag) Type() string   { return "size" }
func (v *sizeFlag) Set(s string) error {
	return (*policy.Bytes)(v).UnmarshalYAML([]byte(s)) // as the policy writes sizes
}
