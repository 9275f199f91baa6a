package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/machine"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// Target is what is needed to measure on another processor.
type Target struct {
	Way        emulate.Way
	Executable []string          // as Options.Executable, of the processor's architecture
	Library    providers.Library // the provider's, of the same
}

// slowdown is how many times longer than defaultStall an emulated child may be
// silent: one batch takes as much longer.
const slowdown = 4

// portableSpread is how many texts are run again in other batches: the fewest
// that the gate accepts.
const portableSpread = 16

// portable measures the vectors on another processor: one process, nothing is
// timed. An error about something that this machine has not is an errMissing.
func portable(ctx context.Context, o Options, ev *evidence.Evidence) error {
	cpu, ok := providers.LookupCPU(o.CPU)
	if !ok {
		return &fault.Error{Kind: fault.Usage, Thing: "processor " + o.CPU, Wanted: fmt.Sprintf("one of %q", providers.CPUNames())}
	}
	t, err := o.Target(ctx, cpu)
	if fault.KindOf(err) == fault.Missing {
		return errMissing{err}
	}
	if err != nil {
		return err
	}
	ev.Plan = o.plan()
	t.Library.Env = slices.Concat(t.Library.Env, t.Way.Env)
	o.Executable, o.way, o.Stall = t.Executable, t.Way, slowdown*o.Stall
	s := steps(o, ev.Plan, t.Library, providers.Library{})[0]
	s.title = o.title()
	spin := false // nothing is timed, and the emulator would slow down for threads that only wait
	s.job.Options.Spinning = &spin
	s.job.Spread = portableSpread
	how := "natively"
	if t.Way.Emulator != "" {
		how = "emulated by " + t.Way.Emulator + ", which takes a minute or more"
	}
	o.Progress.Say("%s: %d texts, %s", s.title, len(ev.Plan.Texts), how)
	out, err := launch(ctx, o, s)
	if err != nil && out.result.Machine.Arch == "" && fault.KindOf(err) == fault.Internal {
		// The program did not start: the emulator or the library is broken.
		return errMissing{&fault.Error{Kind: fault.Missing, Thing: "processor " + cpu.Name, Got: "a program that does not start there", Err: err,
			Next: "embedgate doctor says what is missing; name another program or library where you named one"}}
	}
	if f, is := errors.AsType[*protocol.SessionError](err); is && fault.KindOf(f) == fault.Missing {
		return errMissing{err}
	}
	if err != nil {
		return err
	}
	ev.Raw, ev.Useful, ev.Computed = out.vectors, out.result.Useful, out.result.Computed
	ev.Model = out.result.Model
	ev.Session, ev.Machine, ev.Crash = out.result.Session, out.result.Machine, out.crash
	if w := t.Way; w.Emulator != "" {
		ev.Machine.CPU = w.Model + ", emulated by " + w.Emulator // the child reads the host's name
		ev.Emulation = &evidence.Emulation{Emulator: w.Emulator, Version: w.Version, Model: w.Model, Host: machine.Facts().Arch}
	}
	return nil
}

// title names a measurement, for messages.
func (o Options) title() string {
	if o.CPU == "" {
		return o.Provider + " × " + o.Variant
	}
	return o.Provider + " as " + o.CPU + " × " + o.Variant
}

// portableNotMeasured returns why a processor cannot be measured here, nil where
// err says something else.
func portableNotMeasured(err error) *evidence.NotMeasured {
	var f *fault.Error
	if _, ok := errors.AsType[errMissing](err); !ok || !errors.As(err, &f) {
		return nil
	}
	why := *f
	why.Next = ""
	return &evidence.NotMeasured{Reason: why.Error(), Remedy: cmp.Or(f.Next, "measure it on a Linux machine with QEMU and gate its evidence here")}
}
