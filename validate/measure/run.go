package measure

import (
	"cmp"
	"context"
	"path/filepath"
	"reflect"

	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate"
)

// Run measures one provider × variant and leaves the evidence in Options.Out,
// complete or not at all; it returns what ReadEvidence reads there.
//
// A provider that this program or this machine has not is evidence too: it
// says why, and what to do. So is a child that crashed: what was finished
// before is kept. Errors are for what a person must act on before anything can
// be said of the provider: a bad model, a policy that cannot be measured. When
// ctx is cancelled, nothing of this measurement is left behind and what was in
// Out stays.
func Run(ctx context.Context, o Options) (validate.Evidence, error) {
	o.Stall = cmp.Or(o.Stall, DefaultStall)
	if err := o.check(); err != nil {
		return validate.Evidence{}, err
	}
	ev := validate.Evidence{
		Schema: validate.EvidenceSchema, Provider: o.Provider, Variant: o.Variant, Nonce: o.Nonce,
		Candidate: o.Candidate.Digest, Policy: o.Policy.Digest, Golden: o.Golden.Digest,
	}
	if ev.NotMeasured = notMeasured(o.Provider); ev.NotMeasured == nil {
		if err := measure(ctx, o, &ev); err != nil {
			return validate.Evidence{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return validate.Evidence{}, err
	}
	return leave(o.Out, ev)
}

// notMeasured is why a provider cannot be measured here; nil when it can.
func notMeasured(provider string) *validate.NotMeasured {
	e, ok := providers.Lookup(provider)
	if !ok {
		return &validate.NotMeasured{
			Reason: "embedgate knows no provider " + provider,
			Remedy: "name " + providers.KnownNames(),
		}
	}
	if reason, remedy, ok := e.Available(); !ok {
		return &validate.NotMeasured{Reason: reason, Remedy: remedy}
	}
	return nil
}

// measure runs the children, one after another: two at once would measure each
// other. The first crash ends it.
func measure(ctx context.Context, o Options, ev *validate.Evidence) error {
	ev.Plan = o.plan()
	ev.Machine = machineFacts()
	for n := range 1 + ev.Plan.Launches {
		j := newJob(o, ev.Plan, n)
		out, err := launch(ctx, o, j)
		if err != nil {
			return err
		}
		if err := add(ev, n, out); err != nil {
			return err
		}
		if out.crash != nil {
			ev.Crash = out.crash
			return nil
		}
	}
	return nil
}

// newJob is the nth child's job: the vectors, then the latency launches.
func newJob(o Options, p validate.Plan, n int) job {
	wish := o.Policy.Providers[o.Provider]
	j := job{
		Kind: vectorsKind, Launch: n, Provider: o.Provider, Library: o.Library,
		Model:     filepath.Join(o.Candidate.Dir, filepath.FromSlash(o.file().File)),
		Tokenizer: filepath.Join(o.Candidate.Dir, TokenizerName),
		Options:   providers.Options{Threads: wish.Threads, Provider: o.Policy.OptionsOf(o.Provider, o.Variant)},
		Embedding: o.Candidate.Manifest.Embedding,
	}
	for _, t := range o.Golden.Texts {
		j.Corpus = append(j.Corpus, t.Bytes)
	}
	for _, i := range p.Texts {
		j.Texts = append(j.Texts, o.Golden.Texts[i].Bytes)
	}
	if n > 0 {
		j.Kind, j.Points, j.Samples, j.Warmup = latencyKind, orderOf(p, n), samplesOf(p, n), warmup
	}
	return j
}

// add puts what one child found into the evidence.
func add(ev *validate.Evidence, n int, out outcome) error {
	p := out.part
	if p.Session.Runtime != "" {
		if ev.Session.Runtime != "" && !reflect.DeepEqual(ev.Session, p.Session) {
			return &fault.Error{Kind: fault.Internal, Thing: "measuring process",
				Got: "another runtime or other session options than the processes before it", Wanted: "the same",
				Next: "measure again while nothing is installed or changed"}
		}
		ev.Session = p.Session
	}
	if n == 0 {
		ev.Raw, ev.Useful, ev.Computed = out.raw, p.Useful, p.Computed
	} else {
		ev.Latency = append(ev.Latency, p.Latency...)
		if out.first > 0 && p.FirstNS > 0 {
			ev.Cold = append(ev.Cold, validate.ColdStart{
				Launch: n, LoadNS: p.LoadNS, FirstNS: p.FirstNS, FromStartNS: out.first.Nanoseconds(),
			})
		}
	}
	if p.PeakRSS > 0 {
		ev.Memory = append(ev.Memory, validate.MemoryPeak{Launch: n, RSS: p.PeakRSS})
	}
	return nil
}
