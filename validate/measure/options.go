package measure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/validate/evidence"
)

// tokenizerName is the tokenizer's file name inside a candidate.
const tokenizerName = "tokenizer.json"

// defaultStall is how long a child may send no message. A provider may compile a
// model for minutes before its first vector.
const defaultStall = 5 * time.Minute

// Options is one measurement.
type Options struct {
	Candidate candidate.Candidate // read, so that its digests were checked
	Policy    policy.Policy       // its plan and its provider options; no threshold is used
	Golden    golden.Set          // its texts; its vectors are not used
	Provider  string
	Variant   string
	Nonce     string // of the plan that this answers; may be empty
	// Channel is the only channel that this is measured for: lengths that it
	// only reports take few samples. Empty: not known, and each length takes all.
	Channel string

	// Libraries finds the runtime of a provider: of Provider, and of the one
	// that it is compared with. A fault.Missing says why a provider cannot be
	// measured here, and the remedy. nil: no provider needs one.
	Libraries func(ctx context.Context, provider string) (providers.Library, error)

	// Executable is the command line that starts a child, which must call
	// child.Run: {"/path/embedgate", "measure-child"}. The job file's path is
	// appended.
	Executable []string

	// CPU is a processor of the policy's portability on which to measure; empty:
	// this machine's own. Target finds what that needs; a fault.Missing says what
	// is missing on this machine.
	CPU    string
	Target func(ctx context.Context, cpu providers.CPU) (Target, error)

	way emulate.Way // in which a child starts

	Out      string        // the evidence directory; an older one there is replaced when this one is complete
	Stall    time.Duration // how long a child may be silent; 0: five minutes
	Progress progress.Sink
}

// check refuses what cannot be measured on any machine, before anything starts.
func (o Options) check() error {
	v, ok := o.variant(o.Variant)
	if !ok {
		return &fault.Error{Kind: fault.Usage, Thing: "variant " + o.Variant,
			Got:    "a candidate without it",
			Wanted: fmt.Sprintf("one of %q", names(o.Candidate.Manifest.Variants))}
	}
	if len(o.Golden.Texts) == 0 {
		return &fault.Error{Kind: fault.Usage, Thing: "golden", Got: "no texts", Wanted: "the golden corpus of " + o.Candidate.Manifest.Model}
	}
	if len(o.Executable) == 0 {
		return &fault.Error{Kind: fault.Internal, Thing: "measure", Got: "no command line for a child"}
	}
	if limit := o.Candidate.Manifest.Embedding.MaxTokens; limit > 0 {
		for _, b := range o.Policy.Latency.Budgets {
			if b.Tokens > limit {
				return &fault.Error{Kind: fault.Usage, Thing: "policy, latency.budgets",
					Got:    fmt.Sprintf("a budget at %d tokens", b.Tokens),
					Wanted: fmt.Sprintf("at most the model's %d", limit),
					Next:   "lower tokens, or take the budget out"}
			}
		}
	}
	plan := o.plan()
	if o.CPU != "" && o.Target == nil {
		return &fault.Error{Kind: fault.Internal, Thing: "measure", Got: "no way to processor " + o.CPU}
	}
	if _, cols, ok := v.Fixed(); ok && (len(plan.Texts) == 0 || len(plan.Points) == 0 && o.CPU == "") {
		return &fault.Error{Kind: fault.Usage, Thing: "variant " + o.Variant,
			Got:    fmt.Sprintf("a file whose length is fixed to %d tokens, which %d golden texts and %d latency budgets fit", cols, len(plan.Texts), len(plan.Points)),
			Wanted: "at least one of each: nothing could be proven of it",
			Next:   "export it longer, or add a budget that fits to the policy's latency.budgets"}
	}
	files := []string{v.File, tokenizerName}
	if pairs := plan.Pairs; pairs != nil {
		other, ok := o.variant(pairs.Variant)
		if !ok {
			return &fault.Error{Kind: fault.Usage, Thing: "policy, worth_it.variant",
				Got:    pairs.Variant + ", which the candidate has not",
				Wanted: fmt.Sprintf("one of %q", names(o.Candidate.Manifest.Variants)),
				Next:   "name a variant that is exported"}
		}
		files = append(files, other.File)
	}
	for _, f := range files {
		if err := sameFile(o.Candidate, f); err != nil {
			return err
		}
	}
	return replaceable(o.Out)
}

// variant returns the exported file that a variant runs.
func (o Options) variant(name string) (candidate.Variant, bool) {
	v, ok := o.Candidate.Manifest.Variants[o.Policy.FileOf(name)]
	return v, ok
}

func (o Options) plan() evidence.Plan {
	v, _ := o.variant(o.Variant)
	if o.CPU != "" {
		return evidence.PortabilityPlan(o.Golden, v)
	}
	plan := evidence.PlanFor(o.Policy, o.Golden, o.Provider, o.Variant, v)
	if o.Channel == "" {
		return plan
	}
	return plan.For(o.Policy.Latency, o.Channel, o.Policy.Class(o.Provider, o.Variant))
}

// library finds a provider's runtime.
func (o Options) library(ctx context.Context, provider string) (providers.Library, error) {
	if o.Libraries == nil {
		return providers.Library{}, nil
	}
	return o.Libraries(ctx, provider)
}

// sameFile checks one file against the manifest again: hours may lie between
// reading a candidate and measuring it, and evidence is bound to the digest.
func sameFile(c candidate.Candidate, name string) error {
	want, ok := c.Manifest.Files[name]
	if !ok {
		return &fault.Error{Kind: fault.Usage, Thing: "candidate", Got: "no " + name + " in its manifest", Wanted: "a candidate with " + name}
	}
	got, err := files.HashFile(filepath.Join(c.Dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	if got != want {
		return &fault.Error{Kind: fault.Usage, Thing: name,
			Got: "sha256 " + got.SHA256, Wanted: want.SHA256 + " as candidate.json says",
			Next: "export the candidate again"}
	}
	return nil
}

// replaceable refuses dir unless it is absent, empty or an evidence directory
// and nothing else, so that a mistyped --out never deletes other files.
func replaceable(dir string) error {
	if dir == "" {
		return &fault.Error{Kind: fault.Usage, Thing: "evidence directory", Got: "no path", Wanted: "one to write"}
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: dir, Wanted: "a directory for evidence", Err: err}
	}
	for _, e := range entries {
		if e.Name() != evidence.FileName && e.Name() != evidence.VectorsName {
			return &fault.Error{Kind: fault.Usage, Thing: dir, Got: "a directory that holds " + e.Name(),
				Wanted: "a new one, or one of evidence alone", Next: "name another directory"}
		}
	}
	return nil
}
