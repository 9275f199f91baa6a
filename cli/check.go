package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/verdict"
)

func newCheck(s *streams) *cobra.Command {
	var f common
	class, provider := "fp32", "cpu"
	c := &cobra.Command{
		Use:   "check FILE.onnx",
		Short: "Measure and judge a model file that somebody else exported; publishes nothing",
		Args:  wantArgs(1, 1, "one .onnx file"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			work, done, err := workDir("")
			if err != nil {
				return err
			}
			defer done()
			o.WorkDir = work
			v, err := pipeline.Check(c.Context(), args[0], candidate.Precision(class), provider, o, s.show)
			s.show.Close()
			if err != nil {
				return err
			}
			return f.showVerdict(s, v, nil)
		},
	}
	f.policyFlag(c)
	f.runtimeFlags(c)
	f.pythonFlag(c)
	f.jsonFlag(c)
	f.channel = "local"
	c.Flags().StringVar(&class, "class", class, "precision class that the file claims: "+classes())
	c.Flags().StringVar(&provider, "provider", provider, "provider to measure it on")
	return c
}

// classes are the precision classes, for people.
func classes() string {
	var all []string
	for _, p := range candidate.Precisions() {
		all = append(all, string(p))
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

func newVerify(s *streams) *cobra.Command {
	var f common
	var provider, own string
	var expect publish.Expect
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Is this release whole and proven; with --measure, also on this machine",
		Args:  wantArgs(1, 1, "a release directory"),
		RunE: func(c *cobra.Command, args []string) error {
			if own != "" {
				g, err := golden.Read(own)
				if err != nil {
					return err
				}
				expect.Golden = &g
			}
			r, err := publish.Verify(c.Context(), args[0], expect)
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
			return f.remeasure(c, s, r, provider)
		},
	}
	f.runtimeFlags(c)
	f.jsonFlag(c)
	c.Flags().StringVar(&expect.Channel, "channel", "", "channel that the release must be out for (default: any; the first line says which)")
	c.Flags().StringVar(&own, "golden", "", "golden directory that the model is to be compared with (default: the one built in for the model's name)")
	c.Flags().StringVar(&provider, "measure", "", "also run the model on this machine's provider and check tokens, parity and invariance again")
	return c
}

// remeasure runs the release's model here. Latency is this machine's business
// and is not judged.
func (f *common) remeasure(c *cobra.Command, s *streams, r publish.Report, provider string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	work, done, err := workDir("")
	if err != nil {
		return err
	}
	defer done()
	p, err := policy.Parse("policy.yaml", r.Policy.Raw)
	if err != nil {
		return err
	}
	s.show.Stage("measure")
	var dirs []string
	for _, variant := range p.Providers[provider].Variants {
		if _, ok := r.Candidate.Manifest.Variants[p.FileOf(variant)]; !ok {
			fmt.Fprintf(s.out, "%-12s here: %s × %s: the release does not hold its file, which passed nowhere\n", "not there", provider, variant)
			continue
		}
		dir := filepath.Join(work, variant)
		if _, err := measure.Run(c.Context(), measure.Options{
			Candidate: r.Candidate, Policy: p, Golden: r.Golden, Provider: provider, Variant: variant,
			Libraries: pipeline.Libraries(o, s.show.Sink()), Executable: o.Executable, Out: dir, Progress: s.show.Sink(),
		}); err != nil {
			return err
		}
		dirs = append(dirs, dir)
	}
	v, err := pipeline.Judge(c.Context(), p, r.Golden, r.Candidate, dirs, r.Manifest.Channel, "")
	if err != nil {
		return err
	}
	return showParity(s, v, provider)
}

// showParity tells the checks that hold on any machine, and fails on them
// alone.
func showParity(s *streams, v verdict.Verdict, provider string) error {
	tell, bad := map[string]bool{"integrity": true, "tokens": true, "parity": true, "invariance": true}, 0
	n := 0
	for _, row := range v.Rows {
		if row.Provider != provider {
			continue
		}
		for _, x := range row.Findings {
			if !tell[x.Check] && row.Result != verdict.NotMeasured {
				continue
			}
			n++
			if x.Result != verdict.Pass && x.Result != verdict.Reported {
				bad++
			}
			fmt.Fprintf(s.out, "%-12s here: %s × %s %s %s: %s (wanted %s)\n", x.Result, row.Provider, row.Variant, x.Check, x.Item, x.Measured, x.Threshold)
			if x.Next != "" && x.Result != verdict.Pass {
				fmt.Fprintf(s.out, "             next: %s\n", x.Next)
			}
		}
	}
	return hereError(provider, n, bad)
}
