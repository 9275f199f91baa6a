package numbers

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const PortabilityName = "portability"

// Portability proves that evidence for another processor was measured on that
// processor or on an emulated one. The checks of tokens, parity, precision and
// invariance judge the vectors.
func Portability() check.Check {
	return check.Check{
		Name: PortabilityName, Portable: true,
		Applies:  func(c check.Case) bool { return c.CPU != "" },
		HasData:  func(evidence.Evidence) bool { return true },
		Judge:    func(c check.Case) check.Result { return check.Result{Findings: []verdict.Finding{processorOf(c)}} },
		KnownBad: badPortability(),
	}
}

func processorOf(c check.Case) verdict.Finding {
	var p check.Problems
	e := c.Evidence
	want, known := providers.LookupCPU(c.CPU)
	switch {
	case !known:
		p.Add("embedgate knows no processor %q", text.Clip(c.CPU))
	case !slices.Contains(c.Policy.Providers[e.Provider].Portability, c.CPU):
		p.Add("the policy does not name %s for %s", c.CPU, text.Clip(e.Provider))
	case e.CPU != c.CPU:
		p.Add("is evidence for %q, not %s", text.Clip(e.CPU), c.CPU)
	}
	if e.Machine.Arch != want.Arch {
		p.Add("the program ran on %q, wanted %s", text.Clip(e.Machine.Arch), want.Arch)
	}
	if sets, fixed := check.InstructionSetsOf[c.CPU]; fixed && !slices.Equal(e.Machine.InstructionSets, sets) {
		p.Add("the program found the instruction sets %s, wanted %s", text.Clip(fmt.Sprintf("%q", e.Machine.InstructionSets)), fmt.Sprintf("%q", sets))
	}
	how := "natively"
	switch m := e.Emulation; {
	case m == nil && !want.Native:
		p.Add("nothing was emulated, and this machine is no %s", c.CPU)
	case m == nil:
	case m.Emulator == "" || m.Version == "":
		p.Add("does not say what emulated it")
	case m.Model != want.Model:
		p.Add("%s emulated %q, wanted %s", text.Clip(m.Emulator), text.Clip(m.Model), want.Model)
	default:
		how = m.Model + ", emulated by " + text.Clip(m.Emulator) + " " + text.Clip(m.Version)
	}
	if len(e.Latency)+len(e.Cold)+len(e.Memory)+len(e.Placement)+len(e.Pairs) > 0 {
		p.Add("holds times, memory or placement, which mean nothing under an emulator")
	}
	return p.Finding(verdict.Finding{
		Check: PortabilityName, Item: "processor", Measured: how, Threshold: want.Title,
		Next: "Measure again with `embedgate measure --portability`; evidence of one processor proves nothing of another.",
	})
}

// badPortability returns evidence for a processor that was not measured on it.
func badPortability() []check.BadCase {
	ev := func(name string, spoil func(e *evidence.Evidence)) check.BadCase {
		return check.BadCase{Name: name, Item: "processor", Spoil: func(c *check.Case) bool { spoil(&c.Evidence); return true }}
	}
	return []check.BadCase{
		ev("a native run instead of an emulated one", func(e *evidence.Evidence) {
			e.Emulation, e.Machine.Arch = nil, "amd64"
		}),
		ev("another processor emulated", func(e *evidence.Evidence) {
			m := *e.Emulation
			m.Model = "max"
			e.Emulation = &m
		}),
		ev("a program of another architecture", func(e *evidence.Evidence) { e.Machine.Arch += "-other" }),
		ev("evidence for another processor than the plan's", func(e *evidence.Evidence) { e.CPU += "-other" }),
		{Name: "instruction sets that the processor has not", Item: "processor", Spoil: func(c *check.Case) bool {
			if check.InstructionSetsOf[c.CPU] == nil {
				return false
			}
			c.Evidence.Machine.InstructionSets = append(slices.Clone(check.InstructionSetsOf[c.CPU]), evidence.VNNI)
			return true
		}},
		ev("an emulator without a name", func(e *evidence.Evidence) {
			m := *e.Emulation
			m.Emulator = ""
			e.Emulation = &m
		}),
		ev("times of an emulator", func(e *evidence.Evidence) {
			e.Memory = append(e.Memory, evidence.MemoryPeak{RSS: 1 << 30})
		}),
	}
}
