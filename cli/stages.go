package cli

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/measure/child"
	"github.com/embedgate/embedgate/validate/verdict"
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
			if err := required(c, "out"); err != nil {
				return err
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			s.show.Stage("export")
			p, err := policy.Load(f.policy)
			if err != nil {
				return err
			}
			x := pipeline.ExportOptions(p, o, s.show.Sink())
			x.Out, x.Plain = out, plain
			r, err := export.Run(c.Context(), x)
			if err != nil {
				return err
			}
			from := "exported"
			if r.Cached {
				from = "taken from the cache"
			}
			_, err = fmt.Fprintf(s.out, "%s: candidate %s, %s\n", out, r.Candidate.Digest, from)
			return err
		},
	}
	f.policyFlag(c)
	f.pythonFlag(c)
	c.Flags().StringVar(&out, "out", "", "candidate directory to write")
	c.Flags().BoolVar(&plain, "plain", false, "export as any torch.onnx.export user would, for comparison")
	return c
}

func newMeasure(s *streams) *cobra.Command {
	var f common
	var dir, provider, variant, out, nonce string
	var portable bool
	c := &cobra.Command{
		Use:   "measure --candidate DIR --provider P [--variant V] [--portability] --out DIR",
		Short: "Measure one variant on one provider: evidence, no judgement",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "candidate", "provider", "out"); err != nil {
				return err
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			s.show.Stage("measure")
			if nonce, err = readNonce(nonce); err != nil {
				return err
			}
			p, err := policy.Load(f.policy)
			if err != nil {
				return err
			}
			cand, err := candidate.Read(dir)
			if err != nil {
				return err
			}
			g, err := pipeline.Golden(p, f.policy)
			if err != nil {
				return err
			}
			todo := []measurement{{variant: variant, out: out}}
			if variant == "" || portable {
				if todo, err = allOf(p, provider, variant, out, portable); err != nil {
					return err
				}
			}
			for _, m := range todo {
				e, err := measure.Run(c.Context(), measure.Options{
					Candidate: cand, Policy: p, Golden: g, Provider: provider, Variant: m.variant, Nonce: nonce,
					Libraries: pipeline.Libraries(o, s.show.Sink()), Executable: o.Executable, Out: m.out, Progress: s.show.Sink(),
					CPU: m.cpu, Target: pipeline.Target(o, s.show.Sink(), provider),
				})
				if err != nil {
					return err
				}
				row := verdict.Row{Provider: provider, CPU: m.cpu}
				if _, err = fmt.Fprintf(s.out, "%s: %s × %s %s\n", m.out, row.On(), m.variant, stateOf(e)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.policyFlag(c)
	f.runtimeFlags(c)
	c.Flags().StringVar(&dir, "candidate", "", "candidate directory")
	c.Flags().StringVar(&provider, "provider", "", "provider, such as cpu")
	c.Flags().StringVar(&variant, "variant", "", "variant, such as fp32 (default: each that the policy lists for the provider, in a folder PROVIDER-VARIANT of --out)")
	c.Flags().StringVar(&out, "out", "", "evidence directory to write")
	c.Flags().BoolVar(&portable, "portability", false, "measure on the processors that the policy names for the provider, too, each in a folder PROVIDER-VARIANT@CPU of --out")
	c.Flags().StringVar(&nonce, "nonce", "", "name of the plan this answers, or @FILE that plan wrote; gate --nonce wants the same")
	return c
}

// measurement is one that measure makes, and where its evidence goes.
type measurement struct{ variant, cpu, out string }

// allOf are the measurements of a provider: of one variant or, where none is
// named, of each that the policy lists, on this machine's processor and, where
// they are wanted, on the others of the policy.
func allOf(p policy.Policy, provider, variant, out string, portable bool) (all []measurement, err error) {
	variants := p.Providers[provider].Variants
	if len(variants) == 0 {
		return nil, &fault.Error{
			Kind: fault.Usage, Thing: "--provider", Got: provider + ", for which the policy lists no variant",
			Wanted: fmt.Sprintf("one of %q", slices.Sorted(maps.Keys(p.Providers))), Next: "list it in the policy, or name a --variant",
		}
	}
	if variant != "" {
		variants = []string{variant}
	}
	cpus := []string{""}
	if portable {
		cpus = append(cpus, p.Providers[provider].Portability...)
	}
	for _, cpu := range cpus {
		for _, v := range variants {
			all = append(all, measurement{v, cpu, filepath.Join(out, pipeline.EvidenceName(provider, v, cpu))})
		}
	}
	return all, nil
}

// stateOf says in a line how far a measurement came.
func stateOf(e evidence.Evidence) string {
	switch n, c := e.NotMeasured, e.Crash; {
	case n != nil:
		return fmt.Sprintf("%s: %s; next: %s", verdict.NotMeasured, n.Reason, n.Remedy)
	case c != nil:
		return fmt.Sprintf("measured until its process ended during %s (%s); the gate tells more", c.Stage, cmp.Or(c.Signal, fmt.Sprintf("exit status %d", c.Exit)))
	}
	return "measured"
}

func newMeasureChild() *cobra.Command {
	return &cobra.Command{
		Use: "measure-child JOB", Hidden: true, Args: wantArgs(1, 1, "a job file"),
		RunE: func(c *cobra.Command, args []string) error { return child.Run(c.Context(), args) },
	}
}

func newGate(s *streams) *cobra.Command {
	var f common
	var from evidenceFlags
	var dir, out, nonce string
	c := &cobra.Command{
		Use:   "gate --candidate DIR --out FILE EVIDENCE… | --jobs DIR",
		Short: "Judge evidence: a verdict",
		Args:  from.args,
		RunE: func(c *cobra.Command, args []string) error {
			if err := required(c, "candidate", "out"); err != nil {
				return err
			}
			inputs := append([]string{dir, f.policy, from.jobs}, args...)
			if strings.HasPrefix(nonce, "@") {
				inputs = append(inputs, nonce)
			}
			if err := notAnInput("--out", out, inputs...); err != nil {
				return err
			}
			nonce, err := readNonce(nonce)
			if err != nil {
				return err
			}
			p, err := policy.Load(f.policy)
			if err != nil {
				return err
			}
			if own := p.Model.Golden; own != "" {
				if err := notAnInput("--out", out, pipeline.GoldenDir(p, f.policy)); err != nil {
					return err
				}
			}
			if args, err = from.dirs(p, args); err != nil {
				return err
			}
			cand, err := candidate.Read(dir)
			if err != nil {
				return err
			}
			g, err := pipeline.Golden(p, f.policy)
			if err != nil {
				return err
			}
			v, err := pipeline.Judge(c.Context(), p, g, cand, args, f.channel, nonce)
			if err != nil {
				return err
			}
			if err := verdict.Write(out, v); err != nil {
				return err
			}
			return f.showVerdict(s, v, nil)
		},
	}
	f.policyFlag(c)
	f.channelFlag(c)
	f.jsonFlag(c)
	from.flags(c)
	c.Flags().StringVar(&dir, "candidate", "", "candidate directory")
	c.Flags().StringVar(&out, "out", "", "verdict file to write")
	c.Flags().StringVar(&nonce, "nonce", "", "plan that the evidence must answer, or @FILE that plan wrote")
	return c
}

func newPublish(s *streams) *cobra.Command {
	var f common
	var from evidenceFlags
	var dir, verdict, target, channel, nonce string
	c := &cobra.Command{
		Use:   "publish --candidate DIR --verdict FILE --channel NAME --nonce @FILE --to TARGET EVIDENCE… | --jobs DIR",
		Short: "Publish what a PASS verdict covers, and nothing else",
		Args:  from.args,
		RunE: func(c *cobra.Command, args []string) error {
			if err := required(c, "candidate", "verdict", "channel", "nonce", "to"); err != nil {
				return err
			}
			s.show.Stage("publish")
			nonce, err := readNonce(nonce)
			if err != nil {
				return err
			}
			p, err := policy.Load(f.policy)
			if err != nil {
				return err
			}
			if args, err = from.dirs(p, args); err != nil {
				return err
			}
			g, err := pipeline.Golden(p, f.policy)
			if err != nil {
				return err
			}
			r, err := publish.Publish(c.Context(), publish.Options{
				CandidateDir: dir, Golden: g, EvidenceDirs: args, VerdictFile: verdict,
				Policy: p, Channel: channel, Nonce: nonce, Target: target, Progress: s.show.Sink(),
			})
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
	c.Flags().StringVar(&dir, "candidate", "", "candidate directory")
	from.flags(c)
	c.Flags().StringVar(&verdict, "verdict", "", "verdict file that gate wrote")
	c.Flags().StringVar(&channel, "channel", "", "channel that the verdict must be for")
	c.Flags().StringVar(&nonce, "nonce", "", "plan that the verdict must be on, or @FILE that plan wrote")
	c.Flags().StringVar(&target, "to", "", "directory that gets the release")
	return c
}

// errNoRelease is told when embed or tokenize finds nothing to work with.
func errNoRelease(target string) error {
	return &fault.Error{Kind: fault.Missing, Thing: target, Got: "no release", Wanted: "one to embed with", Next: "embedgate run, or name one with --release DIR"}
}
