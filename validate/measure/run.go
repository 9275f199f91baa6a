package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/machine"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// Run measures one provider × variant and writes the evidence to Options.Out,
// complete or not at all. It returns what evidence.Read reads there.
//
// If this program or this machine has not the provider, the evidence says why,
// and what to do. If a child crashed, the evidence says so and has what was
// finished before. An error is something that a user must act on before the
// provider can be measured: a bad model, a policy that cannot be measured, a
// broken installation of what every machine can have. When ctx is cancelled,
// Out stays as it was and no temporary file is left.
func Run(ctx context.Context, o Options) (evidence.Evidence, error) {
	o.Stall = cmp.Or(o.Stall, defaultStall)
	if err := o.check(); err != nil {
		return evidence.Evidence{}, err
	}
	ev := evidence.Evidence{
		Schema: evidence.Schema, Provider: o.Provider, Variant: o.Variant, CPU: o.CPU, Nonce: o.Nonce,
		Candidate: o.Candidate.Digest, Policy: o.Policy.Digest, Golden: o.Golden.Digest,
	}
	if err := fill(ctx, o, &ev); err != nil {
		return evidence.Evidence{}, err
	}
	if err := ctx.Err(); err != nil {
		return evidence.Evidence{}, err
	}
	evidence.RemovePaths(&ev)
	return writeEvidenceDir(o.Out, ev)
}

// fill measures what ev names and adds the results to ev, or the reason why it
// was not measured.
func fill(ctx context.Context, o Options, ev *evidence.Evidence) error {
	e, why := lookup(o.Provider)
	do, lacks := measure, func(err error) *evidence.NotMeasured { return notMeasured(e, err) }
	if o.CPU != "" {
		do, lacks = portable, portableNotMeasured
		if len(e.Platforms) > 0 {
			why = &evidence.NotMeasured{Reason: e.Title + " needs a device, which no emulated processor has", Remedy: "leave portability out for " + e.Name}
		}
	}
	if why == nil {
		measured := *ev
		if err := do(ctx, o, &measured); err == nil {
			*ev = measured
			return nil
		} else if why = lacks(err); why == nil {
			return err
		}
	}
	o.Progress.Say("%s: not measured: %s", o.title(), why.Reason)
	ev.NotMeasured = why
	return nil
}

// lookup returns a provider, and the reason where it cannot be measured here.
func lookup(provider string) (providers.Entry, *evidence.NotMeasured) {
	e, ok := providers.Lookup(provider)
	if !ok {
		return e, &evidence.NotMeasured{
			Reason: "embedgate knows no provider " + provider,
			Remedy: "name " + providers.KnownNames(),
		}
	}
	if reason, remedy, ok := e.Available(); !ok {
		return e, &evidence.NotMeasured{Reason: reason, Remedy: remedy}
	}
	return e, nil
}

// errMissing marks an error about something that a provider needs and this
// machine has not: a library, a driver, a device.
type errMissing struct{ error }

func (e errMissing) Unwrap() error { return e.error }

// notMeasured returns why this machine cannot measure a provider, nil where err
// says something else. It is nil for a provider that every machine can have:
// the user must install what is missing, so that is an error and not evidence.
func notMeasured(e providers.Entry, err error) *evidence.NotMeasured {
	var f *fault.Error
	if _, ok := errors.AsType[errMissing](err); !ok || len(e.Platforms) == 0 || !errors.As(err, &f) {
		return nil
	}
	why := *f
	why.Next = ""
	return &evidence.NotMeasured{Reason: why.Error(), Remedy: cmp.Or(f.Next, e.Remedy)}
}

// measure runs the children, one after another: two at once would slow each
// other down. It ends at the first crash.
func measure(ctx context.Context, o Options, ev *evidence.Evidence) error {
	ev.Plan = o.plan()
	ev.Machine = machine.Facts()
	mine, err := o.library(ctx, o.Provider)
	if fault.KindOf(err) == fault.Missing {
		return errMissing{err}
	}
	if err != nil {
		return err
	}
	var others providers.Library
	if p := ev.Plan.Pairs; p != nil {
		if others, err = o.library(ctx, p.Provider); err != nil {
			return fmt.Errorf("%s, which %s is compared with: %w", p.Provider, o.Provider, err)
		}
	}
	announce(o, ev.Plan, mine.Device)
	began := time.Now()
	todo := steps(o, ev.Plan, mine, others)
	for k, s := range todo {
		s.announce(o.Progress)
		out, err := launch(ctx, o, s)
		if _, ok := errors.AsType[*protocol.SessionError](err); ok && fault.KindOf(err) == fault.Missing && !s.other {
			if k == 0 {
				return errMissing{err}
			}
			// It was there before, so the provider failed.
			out.crash, err = &evidence.Crash{Stage: string(s.job.Kind), Exit: 1, Stderr: err.Error()}, nil
		}
		if err == nil && s.other && out.crash != nil {
			err = otherDied(s, *out.crash)
		}
		if err != nil {
			return err
		}
		if !s.other {
			if err := sameSession(ev, out.result.Session, s.job.Kind); err != nil {
				return err
			}
			if err := sameModel(ev, out.result.Model); err != nil {
				return err
			}
		}
		s.addTo(ev, out)
		if out.crash != nil {
			ev.Crash = out.crash
			return nil
		}
		if k == 0 {
			warnOfTime(o, ev.Plan, time.Since(began), time.Duration(len(todo)-1)*out.toFirst)
		}
	}
	return nil
}

// otherDied returns an error: the provider of the comparison failed, which says
// nothing about the one that is measured.
func otherDied(s step, c evidence.Crash) error {
	return &fault.Error{Kind: fault.Internal, Thing: "comparison with " + s.job.Provider,
		Got:    fmt.Sprintf("its process ended with %s during %s: %s", cmp.Or(c.Signal, fmt.Sprintf("exit status %d", c.Exit)), c.Stage, c.Stderr),
		Wanted: "samples to compare with",
		Next:   "measure " + s.job.Provider + " by itself first: embedgate measure --provider " + s.job.Provider}
}

// sameSession requires that every process of this provider has the session of
// the first one. The one that records the placement may have other options,
// which are not in the evidence, but no other runtime.
func sameSession(ev *evidence.Evidence, s providers.Info, k protocol.Kind) error {
	if s.Runtime == "" { // the process ended before it opened one
		return nil
	}
	if ev.Session.Runtime == "" {
		ev.Session = s
	}
	if k == protocol.PlacementKind {
		s.Options = ev.Session.Options
	}
	if !reflect.DeepEqual(ev.Session, s) {
		return &fault.Error{Kind: fault.Internal, Thing: "measuring process",
			Got: "another runtime or other session options than the processes before it", Wanted: "the same",
			Next: "measure again while nothing is installed or changed"}
	}
	return nil
}

// sameModel requires that every process of this provider opened the same model
// file.
func sameModel(ev *evidence.Evidence, sha256 string) error {
	if sha256 == "" { // it ended before it had opened one
		return nil
	}
	if ev.Model == "" {
		ev.Model = sha256
	}
	if ev.Model != sha256 {
		return &fault.Error{Kind: fault.Internal, Thing: "measuring process",
			Got: "a model file of sha256 " + sha256, Wanted: ev.Model + ", as the processes before it had",
			Next: "measure again while nobody changes the candidate"}
	}
	return nil
}
