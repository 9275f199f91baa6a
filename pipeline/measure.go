package pipeline

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/pipeline/setup"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/measure/child"
)

// MeasureOptions are the options of Measure.
type MeasureOptions struct {
	Candidate string // directory
	Provider  string
	Variant   string // "": each that the policy lists for the provider
	Nonce     string // of the plan that this answers, or @FILE
	// Portability measures on the other processors of the policy, too.
	Portability bool
	// Out is the evidence directory or, where there are several measurements,
	// the folder of their directories PROVIDER-VARIANT and PROVIDER-VARIANT@CPU.
	Out string
}

// Measure measures one provider and calls each with every piece of evidence
// and its directory. It judges nothing.
func Measure(ctx context.Context, o Options, m MeasureOptions, each func(dir string, e evidence.Evidence) error) error {
	o.Show.Stage("measure")
	nonce, err := readNonce(m.Nonce)
	if err != nil {
		return err
	}
	in, err := o.read(m.Candidate)
	if err != nil {
		return err
	}
	todo := []measurement{{provider: m.Provider, variant: m.Variant, out: m.Out}}
	if m.Variant == "" || m.Portability {
		if todo, err = measurements(in.Policy, m); err != nil {
			return err
		}
	}
	for _, one := range todo {
		one.nonce = nonce
		e, err := o.measure(ctx, in, one)
		if err != nil {
			return err
		}
		if err := each(one.out, e); err != nil {
			return err
		}
	}
	return nil
}

// measurements are those of a provider: of one variant or, where none is
// named, of each that the policy lists, on this machine's processor and, where
// they are wanted, on the others of the policy.
func measurements(p policy.Policy, m MeasureOptions) (all []measurement, err error) {
	variants := p.Providers[m.Provider].Variants
	if len(variants) == 0 {
		return nil, &fault.Error{
			Kind: fault.Usage, Thing: "--provider", Got: m.Provider + ", for which the policy lists no variant",
			Wanted: fmt.Sprintf("one of %q", slices.Sorted(maps.Keys(p.Providers))), Next: "list it in the policy, or name a --variant",
		}
	}
	if m.Variant != "" {
		variants = []string{m.Variant}
	}
	cpus := []string{""}
	if m.Portability {
		cpus = append(cpus, p.Providers[m.Provider].Portability...)
	}
	for _, cpu := range cpus {
		for _, v := range variants {
			all = append(all, measurement{provider: m.Provider, variant: v, cpu: cpu, out: filepath.Join(m.Out, evidenceName(m.Provider, v, cpu))})
		}
	}
	return all, nil
}

// MeasureChild is the process that Options.Executable starts.
func MeasureChild(ctx context.Context, args []string) error { return child.Run(ctx, args) }

// A measurement is one provider × variant on one processor.
type measurement struct {
	provider, variant string
	cpu               string // of the policy's portability; "": this machine's own
	channel           string // that will be judged; "": any
	nonce             string
	out               string // evidence directory
	// hardware refuses a software device.
	hardware bool
}

// measure makes one measurement. It is the one place where measuring gets its
// options.
func (o Options) measure(ctx context.Context, in inputs, m measurement) (evidence.Evidence, error) {
	libraries := setup.Libraries(o.setup())
	if m.hardware {
		libraries = setup.LibrariesOfHardware(o.setup())
	}
	return measure.Run(ctx, measure.Options{
		Candidate: in.Candidate, Policy: in.Policy, Golden: in.Golden, Provider: m.provider, Variant: m.variant,
		CPU: m.cpu, Channel: m.channel, Nonce: m.nonce, Out: m.out,
		Libraries: libraries, Target: setup.Target(o.setup(), m.provider), Executable: o.Executable, Progress: o.sink(),
	})
}

// evidenceName is the folder of a piece of evidence: PROVIDER-VARIANT, with
// @CPU behind it for another processor than the machine's own.
func evidenceName(provider, variant, cpu string) string {
	name := provider + "-" + variant
	if cpu != "" {
		name += "@" + cpu
	}
	return name
}
