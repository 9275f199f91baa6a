package ort

import (
	"fmt"
	"maps"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/cores"
	"github.com/embedgate/embedgate/providers/ort/internal/capi"
	"github.com/embedgate/embedgate/providers/ort/internal/environment"
)

// withDefaults returns o with every default that does not depend on other sessions
// filled in, sharing nothing with o or the catalogue.
func withDefaults(o providers.Options, e providers.Entry) (providers.Options, error) {
	if o.Threads < 0 {
		return o, &fault.Error{Kind: fault.Usage, Thing: "session option threads",
			Got: fmt.Sprint(o.Threads), Wanted: "0 (one for each usable core) or more"}
	}
	if o.Threads == 0 {
		o.Threads = cores.Here().Whole
	}
	disabled := o.DisabledOptimizers
	if disabled == nil {
		disabled = e.Disabled
	}
	o.DisabledOptimizers = append([]string{}, disabled...)
	for _, name := range o.DisabledOptimizers {
		if name == "" || strings.ContainsRune(name, ';') {
			return o, &fault.Error{Kind: fault.Usage, Thing: "session option disabled_optimizers",
				Got: fmt.Sprintf("%q", name), Wanted: "an optimizer's name, such as SkipLayerNormFusion"}
		}
	}
	if e.Attach == providers.AttachNone && len(o.Provider) > 0 {
		return o, &fault.Error{Kind: fault.Usage, Thing: "options of provider " + e.Name,
			Got: fmt.Sprint(o.Provider), Wanted: "none: it has no options of its own"}
	}
	o.Provider = e.OptionsWith(o.Provider)
	if captures(e, o.Provider) && !o.IOBinding {
		return o, &fault.Error{Kind: fault.Usage, Thing: "options of provider " + e.Name,
			Got:    "one of " + strings.Join(e.Captures, ", ") + ", and no io_binding",
			Wanted: "io_binding: true beside it: captured work reads and writes at fixed addresses",
			Next:   "set io_binding for " + e.Name + " in the policy, or leave the option out"}
	}
	return o, nil
}

// target is what a session is to run on.
type target struct {
	entry   providers.Entry
	devices []ort.EpDevice // of a plugin
	profile string         // path prefix of the profile; "": nothing is recorded
	library providers.Library
	api     capi.API
}

// sessionOptions makes ONNX Runtime's options. The caller destroys them.
func sessionOptions(w target, o providers.Options) (_ *ort.SessionOptions, err error) {
	e := w.entry
	so, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("make session options: %w", err)
	}
	defer func() {
		if err != nil {
			_ = so.Destroy()
		}
	}()
	onOff := map[bool]string{false: "0", true: "1"}
	spin := o.Spinning != nil && *o.Spinning
	for _, set := range []func() error{
		func() error { return so.SetLogSeverityLevel(ort.LoggingLevelFatal) },
		func() error { return so.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll) },
		func() error { return so.SetExecutionMode(ort.ExecutionModeSequential) },
		func() error { return so.SetInterOpNumThreads(1) },
		func() error { return so.SetIntraOpNumThreads(o.Threads) },
		func() error { return so.AddSessionConfigEntry("session.intra_op.allow_spinning", onOff[spin]) },
		func() error { return so.AddSessionConfigEntry("session.inter_op.allow_spinning", "0") },
		func() error {
			if len(o.DisabledOptimizers) == 0 {
				return nil
			}
			return so.AddSessionConfigEntry("optimization.disable_specified_optimizers",
				strings.Join(o.DisabledOptimizers, ";"))
		},
		func() error {
			if !e.NoMemoryPattern {
				return nil
			}
			return so.SetMemPattern(false)
		},
		func() error {
			if !o.Strict {
				return nil
			}
			return so.AddSessionConfigEntry("session.disable_cpu_ep_fallback", "1")
		},
		func() error { return enableRecording(so, w.profile) },
	} {
		if err := set(); err != nil {
			return nil, fmt.Errorf("set session options: %w", err)
		}
	}
	attach, ok := attachments[e.Attach]
	if !ok {
		return nil, fmt.Errorf("provider %s: no way to attach it by %q", e.Name, e.Attach)
	}
	own := maps.Clone(o.Provider)
	delete(own, environment.DeviceOption)
	if w.profile != "" && len(e.Recorded) > 0 {
		if own == nil {
			own = map[string]string{}
		}
		maps.Copy(own, e.Recorded)
	}
	if err := attach(so, w, own); err != nil {
		return nil, notAttached(e, err)
	}
	return so, nil
}

// notAttached says why a library takes no provider. "in this build" is ONNX
// Runtime's own text about what it was compiled without.
func notAttached(e providers.Entry, err error) error {
	f := &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name,
		Got: "no device, or one that does not answer", Wanted: e.Needs, Next: e.Remedy, Err: err}
	if strings.Contains(err.Error(), "in this build") {
		f.Got = "an ONNX Runtime library that does not offer " + e.EP
		f.Wanted, f.Next = "a library built with it", "use "+e.Source.Package+" "+e.Source.Version+", which embedgate finds by itself, or "+e.Remedy
	}
	return f
}

// enableRecording makes a session record where its nodes run: the assignment for
// capi.API.Assigned, and the executed nodes in a profile, a file whose name begins
// with prefix and which is there when the session is destroyed.
func enableRecording(so *ort.SessionOptions, prefix string) error {
	if prefix == "" {
		return nil
	}
	if err := so.AddSessionConfigEntry("session.record_ep_graph_assignment_info", "1"); err != nil {
		return err
	}
	return so.EnableProfiling(prefix)
}
