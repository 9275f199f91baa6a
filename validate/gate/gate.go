package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/binding"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Gate judges evidence. It is a pure function: the same input gives the same
// verdict, to the byte. The verdict has one row for each provider × variant of
// the policy, and one for each other that has evidence.
//
// The verdict is PASS when the gate refused all its known-bad cases and every
// provider that the channel requires passed with every variant that the policy
// lists for it. A required one that failed or was not measured makes it FAIL,
// one that cannot be decided makes it INCONCLUSIVE. The results of other
// providers are in the verdict and do not change its result.
//
// An error is a fault in the input, never in the evidence.
func Gate(in check.Input) (verdict.Verdict, error) { return gateWith(checks(), in) }

// gateWith is Gate with other checks. Tests use it to show that the self-test
// finds a broken check.
func gateWith(checks []check.Check, in check.Input) (verdict.Verdict, error) {
	if err := checkInput(in); err != nil {
		return verdict.Verdict{}, err
	}
	whole, err := check.NewReference(in.Golden)
	if err != nil {
		return verdict.Verdict{}, err
	}
	r := check.NewReferences(whole)
	v := verdict.Verdict{
		Schema: verdict.Schema, Channel: in.Channel, Model: in.Golden.Model,
		Candidate: in.Candidate.Digest, Policy: in.Policy.Digest, Golden: in.Golden.Digest, Nonce: in.Nonce,
		Foreign: in.Foreign,
	}
	var passed []check.Case
	for _, k := range rowKeys(in) {
		row, c := judgeRow(in, checks, r, k)
		v.Rows = append(v.Rows, row)
		if row.Result == verdict.Pass && c != nil && len(passed) == 0 {
			passed = append(passed, *c)
		}
		if row.Required && row.Result != verdict.Pass && !slices.Contains(v.Missing, row.On()) {
			v.Missing = append(v.Missing, row.On())
		}
	}
	markBest(in, v.Rows)
	v.SelfTest = selfTest(checks, in, whole, passed, v.Rows)
	v.Result = resultOf(in, v)
	return v, nil
}

// resultOf returns Pass only when there is a required row and each one passed.
func resultOf(in check.Input, v verdict.Verdict) verdict.Result {
	if !v.SelfTestPassed() {
		return verdict.Fail
	}
	result, required := verdict.Pass, 0
	for _, r := range v.Rows {
		if !r.Required {
			continue
		}
		required++
		switch r.Result {
		case verdict.Pass:
		case verdict.Inconclusive:
			if result == verdict.Pass {
				result = verdict.Inconclusive
			}
		default:
			result = verdict.Fail
		}
	}
	if required == 0 {
		return verdict.Fail
	}
	return result
}

// A rowKey identifies one row.
type rowKey struct {
	provider, variant string
	cpu               string // of the policy's portability; "": the machine's own
	required          bool
}

func keyOf(e evidence.Evidence) rowKey {
	return rowKey{provider: e.Provider, variant: e.Variant, cpu: e.CPU}
}

// sameRow reports whether two keys identify the same row.
func (k rowKey) sameRow(o rowKey) bool {
	return k.provider == o.provider && k.variant == o.variant && k.cpu == o.cpu
}

// planOfRow returns what must be measured for a row by the policy.
func planOfRow(in check.Input, k rowKey) evidence.Plan {
	file := in.Candidate.Manifest.Variants[in.Policy.FileOf(k.variant)]
	if k.cpu != "" {
		return evidence.PortabilityPlan(in.Golden, file)
	}
	return evidence.PlanFor(in.Policy, in.Golden, k.provider, k.variant, file)
}

// planOf returns the plan that the evidence of a row must follow. Points that
// the channel does not gate may be measured briefly or in full, as the evidence
// says; all others must be measured in full.
func planOf(in check.Input, k rowKey, e evidence.Evidence) evidence.Plan {
	full := planOfRow(in, k)
	if brief := full.For(in.Policy.Latency, in.Channel, in.Policy.Class(k.provider, k.variant)).Brief; binding.HoldsAll(brief, e.Plan.Brief) {
		full.Brief = e.Plan.Brief
	}
	return full
}

// rowKeys lists the required rows in the channel's order, then the other rows
// of the policy, then those that only the evidence has.
func rowKeys(in check.Input) []rowKey {
	var keys []rowKey
	channel := in.Policy.Channels[in.Channel]
	seen := map[rowKey]bool{}
	add := func(k rowKey, required bool) {
		if k.required = false; !seen[k] {
			seen[k] = true
			k.required = required
			keys = append(keys, k)
		}
	}
	all := func(p string, required, portable bool) {
		q := in.Policy.Providers[p]
		for _, v := range q.Variants {
			add(rowKey{provider: p, variant: v}, required)
		}
		for _, cpu := range q.Portability {
			for _, v := range q.Variants {
				add(rowKey{provider: p, variant: v, cpu: cpu}, portable)
			}
		}
	}
	for _, p := range channel.Require {
		all(p, true, channel.Portability)
	}
	for _, p := range slices.Sorted(maps.Keys(in.Policy.Providers)) {
		all(p, false, false)
	}
	for _, e := range inOrder(in) {
		add(keyOf(e), false)
	}
	return keys
}

// inOrder returns the evidence in an order that does not depend on the caller's.
func inOrder(in check.Input) []evidence.Evidence {
	all := slices.Clone(in.Evidence)
	slices.SortStableFunc(all, func(a, b evidence.Evidence) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

// judgeRow makes one row. The case is nil where nothing was measured.
func judgeRow(in check.Input, checks []check.Check, r *check.References, k rowKey) (verdict.Row, *check.Case) {
	row := verdict.Row{Provider: k.provider, Variant: k.variant, CPU: k.cpu, Required: k.required}
	var mine []evidence.Evidence
	for _, e := range inOrder(in) {
		if keyOf(e).sameRow(k) {
			mine = append(mine, e)
		}
	}
	one := verdict.Finding{Check: "integrity", Item: "evidence", Threshold: "one measurement"}
	switch {
	case len(mine) == 0:
		one.Result, one.Measured = verdict.NotMeasured, "no evidence of it was given"
		one.Next = fmt.Sprintf("Run `embedgate measure --provider %s` on a machine that has it, and give its evidence to the gate.", k.provider)
		if k.cpu != "" {
			one.Next = fmt.Sprintf("Run `embedgate run --portability`, or `embedgate measure --provider %s --portability` where QEMU is, and give its evidence to the gate.", k.provider)
		}
		row.Findings = append([]verdict.Finding{one}, staticFindings(in, checks, k)...)
	case len(mine) > 1:
		row.Evidence = mine[0].Digest
		one.Result, one.Value = verdict.Fail, float64(len(mine))
		one.Measured = fmt.Sprintf("%d pieces of evidence", len(mine))
		one.Next = "Give one piece of evidence for each provider and variant; choosing among several is choosing the result."
		row.Findings = []verdict.Finding{one}
	default:
		e := mine[0]
		row.Evidence = e.Digest
		c := check.Case{
			Policy: in.Policy, Candidate: in.Candidate, Nonce: in.Nonce, Channel: in.Channel,
			CPU: k.cpu, Foreign: in.Foreign, Class: in.Policy.Class(k.provider, k.variant), Evidence: e,
		}
		file := in.Policy.FileOf(k.variant)
		c.Graph = in.Graphs[file]
		if e.NotMeasured == nil && e.Machine.OS != "" {
			row.Machine = e.Machine.Sanitized()
		}
		if e.Session.Provider != "" {
			row.Session = &verdict.Session{Runtime: strings.TrimSpace(e.Session.Runtime + " " + e.Session.RuntimeVersion), Library: e.Session.LibrarySHA256, Device: e.Session.Device, Options: e.Session.Options}
		}
		row.Emulation = e.Emulation
		c.Plan = planOf(in, k, e)
		var err error
		if c.Golden, err = r.Of(c.Plan.Texts); err != nil {
			one.Result, one.Measured = verdict.Fail, err.Error()
			one.Next = "Raise the provider's texts in the policy, or leave it out: every golden text is then measured."
			row.Findings = []verdict.Finding{one}
			break
		}
		if n := e.NotMeasured; n != nil {
			one.Result, one.Measured, one.Next = verdict.NotMeasured, n.Reason, n.Remedy
			row.Findings = append([]verdict.Finding{one}, staticFindings(in, checks, k)...)
			if f := binding.BindingOf(c); f.Result != verdict.Pass {
				row.Findings = append([]verdict.Finding{f}, row.Findings...)
			}
			break
		}
		o := runChecks(checks, c)
		row.Findings, row.Latency, row.Parity = o.Findings, o.Latency, o.Parity
		row.Placement, row.WorthIt, row.Bits = o.Placement, o.Worth, o.Bits
		row.Result = verdict.Worst(row.Findings)
		return row, &c
	}
	row.Result = verdict.Worst(row.Findings)
	return row, nil
}

// staticFindings returns the findings that need the file alone, for a row
// without a measurement.
func staticFindings(in check.Input, checks []check.Check, k rowKey) (all []verdict.Finding) {
	c := check.Case{
		Policy: in.Policy, Graph: in.Graphs[in.Policy.FileOf(k.variant)], CPU: k.cpu, Foreign: in.Foreign,
		Evidence: evidence.Evidence{Provider: k.provider, Variant: k.variant},
	}
	for _, check := range checks {
		if check.Static && check.Concerns(c) {
			all = append(all, check.Judge(c).Findings...)
		}
	}
	return all
}

// runChecks runs every check that concerns the case. On evidence with a crash
// it runs those whose data are there; the crash itself is a FAIL already. Where
// integrity refuses the numbers, it runs those that do not use them.
func runChecks(checks []check.Check, c check.Case) (all check.Result) {
	for i, k := range checks {
		if !k.Concerns(c) || c.Evidence.Crash != nil && !k.HasData(c.Evidence) || c.NumbersRefused && k.UsesNumbers {
			continue
		}
		o := k.Judge(c)
		if k.Name == binding.IntegrityName {
			c.NumbersRefused = refuseNumbers(o.Findings, checks[i+1:], c)
		}
		if len(o.Findings) == 0 { // a check without a finding has proven nothing
			o.Findings = []verdict.Finding{{
				Check: k.Name, Result: verdict.Fail, Measured: "nothing", Threshold: "a finding",
				Next: "This is a fault of embedgate; report it.",
			}}
		}
		all.Findings = append(all.Findings, o.Findings...)
		all.Latency = append(all.Latency, o.Latency...)
		all.Placement = append(all.Placement, o.Placement...)
		all.Worth = append(all.Worth, o.Worth...)
		if o.Parity != nil {
			all.Parity = o.Parity
		}
		all.Bits += o.Bits // only one check sets them
	}
	return all
}
