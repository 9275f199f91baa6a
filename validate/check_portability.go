package validate

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/providers"
)

const portabilityName = "portability"

// portabilityCheck proves that evidence for another processor was measured on
// that processor, or on what played it. What the vectors are like there, the
// checks of tokens, parity, precision and invariance say.
func portabilityCheck() check {
	return check{
		name: portabilityName, portable: true,
		applies: func(c gateCase) bool { return c.cpu != "" },
		holds:   func(Evidence) bool { return true },
		judge:   func(c gateCase) opinion { return opinion{findings: []Finding{processorOf(c)}} },
		bad:     badPortability(),
	}
}

// setsOf is what a processor's programs must find there, no more and no less:
// with more, a runtime takes other kernels than the ones to be proven. ARM's
// differ from machine to machine.
var setsOf = map[string][]string{
	"x86-64-v2": {SSE41},
	"x86-64-v3": {SSE41, AVX2},
}

func processorOf(c gateCase) Finding {
	var p problems
	e := c.evidence
	want, known := providers.LookupCPU(c.cpu)
	switch {
	case !known:
		p.add("embedgate knows no processor %q", clip(c.cpu))
	case !slices.Contains(c.policy.Providers[e.Provider].Portability, c.cpu):
		p.add("the policy does not name %s for %s", c.cpu, clip(e.Provider))
	case e.CPU != c.cpu:
		p.add("speaks for %q, not %s", clip(e.CPU), c.cpu)
	}
	if e.Machine.Arch != want.Arch {
		p.add("the program ran on %q, wanted %s", clip(e.Machine.Arch), want.Arch)
	}
	if sets, fixed := setsOf[c.cpu]; fixed && !slices.Equal(e.Machine.InstructionSets, sets) {
		p.add("the program found the instruction sets %s, wanted %s", clip(fmt.Sprintf("%q", e.Machine.InstructionSets)), fmt.Sprintf("%q", sets))
	}
	how := "natively"
	switch m := e.Emulation; {
	case m == nil && !want.Native:
		p.add("nothing was emulated: a machine of its own is no %s", c.cpu)
	case m == nil:
	case m.Emulator == "" || m.Version == "":
		p.add("does not say what emulated it")
	case m.Model != want.Model:
		p.add("%s played %q, wanted %s", clip(m.Emulator), clip(m.Model), want.Model)
	default:
		how = m.Model + ", emulated by " + clip(m.Emulator) + " " + clip(m.Version)
	}
	if len(e.Latency)+len(e.Cold)+len(e.Memory)+len(e.Placement)+len(e.Pairs) > 0 {
		p.add("holds times, memory or placement, which say nothing there")
	}
	return p.finding(Finding{
		Check: portabilityName, Item: "processor", Measured: how, Threshold: want.Title,
		Next: "Measure again with `embedgate measure --portability`; evidence of one processor proves nothing of another.",
	})
}

// badPortability is evidence of one processor that speaks for another.
func badPortability() []badCase {
	evidence := func(name string, spoil func(e *Evidence)) badCase {
		return badCase{name: name, item: "processor", spoil: func(c *gateCase) bool { spoil(&c.evidence); return true }}
	}
	return []badCase{
		evidence("a native run passed off as emulated", func(e *Evidence) {
			e.Emulation, e.Machine.Arch = nil, "amd64"
		}),
		evidence("another processor emulated", func(e *Evidence) {
			m := *e.Emulation
			m.Model = "max"
			e.Emulation = &m
		}),
		evidence("a program of another architecture", func(e *Evidence) { e.Machine.Arch += "-other" }),
		evidence("evidence for another processor than the plan's", func(e *Evidence) { e.CPU += "-other" }),
		{name: "instruction sets that the processor has not", item: "processor", spoil: func(c *gateCase) bool {
			if setsOf[c.cpu] == nil {
				return false
			}
			c.evidence.Machine.InstructionSets = append(slices.Clone(setsOf[c.cpu]), VNNI)
			return true
		}},
		evidence("an emulator without a name", func(e *Evidence) {
			m := *e.Emulation
			m.Emulator = ""
			e.Emulation = &m
		}),
		evidence("times of an emulator", func(e *Evidence) {
			e.Memory = append(e.Memory, MemoryPeak{RSS: 1 << 30})
		}),
	}
}

// portableCases is one known-good case for each class and processor of the
// policy's portability.
func portableCases(in Input, r *reference) []gateCase {
	var all []gateCase
	seen := map[string]bool{}
	in.Evidence = nil // whose rows are not the policy's
	for _, k := range in.rows() {
		id := string(in.Policy.Class(k.provider, k.variant)) + " " + k.cpu
		if _, known := providers.LookupCPU(k.cpu); !known || seen[id] {
			continue
		}
		seen[id] = true
		all = append(all, knownPortable(in, r, k))
	}
	return all
}

// knownPortable is the known-good case of a row for another processor.
func knownPortable(in Input, r *reference, k rowKey) gateCase {
	c := knownGood(in, r, k.provider, k.variant)
	cpu, _ := providers.LookupCPU(k.cpu)
	c.cpu = k.cpu
	c.plan = Plan{Points: []LatencyPoint{}, Texts: c.plan.Texts, Recorded: []int{}}
	e := &c.evidence
	e.CPU, e.Plan = k.cpu, c.plan
	e.Machine.Arch, e.Machine.InstructionSets = cpu.Arch, setsOf[k.cpu]
	e.Emulation = &Emulation{Emulator: "self-test", Version: "1", Model: cpu.Model, Host: "amd64"}
	e.Latency, e.Cold, e.Memory, e.Placement, e.Pairs = nil, nil, nil, nil, nil
	return c
}

// portabilityRequired shows the gate a channel that requires other processors,
// and no evidence of any: none of its rows may pass.
func portabilityRequired(in Input) (Finding, bool) {
	f := selfTestFinding(portabilityName+": required evidence that is missing", "refused as "+string(NotMeasuredR))
	in.Evidence = nil
	asked := false
	for _, k := range in.rows() {
		if k.cpu == "" || !k.required {
			continue
		}
		asked = true
		if row, _ := in.judge(nil, nil, k); row.Result != NotMeasuredR || !row.Required {
			f.Result, f.Measured = Fail, string(row.Result)+" for "+row.On()+" × "+row.Variant
			return f, true
		}
	}
	f.Measured, f.Next = "refused", ""
	return f, asked
}
