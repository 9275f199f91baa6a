package validate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/stats"
)

// Input is everything that a verdict depends on. Gate changes nothing in it.
type Input struct {
	Policy    policy.Policy
	Channel   string // of the policy; says which providers must have passed
	Golden    golden.Set
	Candidate candidate.Candidate
	// Graphs holds what each variant's file says of itself, by variant, as
	// ReadGraphs gives it. Of a variant without an entry nothing is known, so
	// that its placement cannot be proven.
	Graphs map[string]Graph
	// Nonce is the plan that the evidence must answer; empty: any.
	Nonce    string
	Evidence []Evidence // in any order
	// Foreign says that the model is somebody else's export: where its weights
	// came from is then reported and not judged, and the verdict says so, for
	// such a model is never published.
	Foreign bool
}

// Gate judges evidence. It is a pure function: the same input gives the same
// verdict, to the byte. Rows are one for each provider × variant of the policy,
// and one for each other that there is evidence of.
//
// The verdict is PASS when the gate refused all its known-bad cases and every
// provider that the channel requires passed with every variant that the policy
// lists for it; a required one that failed or was not measured makes it FAIL,
// one that cannot be decided INCONCLUSIVE. Other providers' results are told
// and change nothing.
//
// An error is a fault about the input, never about the evidence.
func Gate(in Input) (Verdict, error) { return gateWith(checks(), in) }

// gateWith is Gate with other checks: how a test shows that the self-test
// notices a broken one.
func gateWith(checks []check, in Input) (Verdict, error) {
	if err := in.check(); err != nil {
		return Verdict{}, err
	}
	whole, err := newReference(in.Golden)
	if err != nil {
		return Verdict{}, err
	}
	r := newReferences(whole)
	v := Verdict{
		Schema: VerdictSchema, Channel: in.Channel, Model: in.Golden.Model,
		Candidate: in.Candidate.Digest, Policy: in.Policy.Digest, Golden: in.Golden.Digest, Nonce: in.Nonce,
		Foreign: in.Foreign,
	}
	var passed []gateCase
	for _, k := range in.rows() {
		row, c := in.judge(checks, r, k)
		v.Rows = append(v.Rows, row)
		if row.Result == Pass && c != nil && len(passed) == 0 {
			passed = append(passed, *c)
		}
		if row.Required && row.Result != Pass && !slices.Contains(v.Missing, row.On()) {
			v.Missing = append(v.Missing, row.On())
		}
	}
	in.markBest(v.Rows)
	v.SelfTest = selfTest(checks, in, whole, passed, v.Rows)
	v.Result = in.result(v)
	return v, nil
}

// result fails closed: PASS needs a required row, and each of them passing.
func (in Input) result(v Verdict) Result {
	if !v.SelfTestPassed() {
		return Fail
	}
	result, required := Pass, 0
	for _, r := range v.Rows {
		if !r.Required {
			continue
		}
		required++
		switch r.Result {
		case Pass:
		case Inconclusive:
			if result == Pass {
				result = Inconclusive
			}
		default:
			result = Fail
		}
	}
	if required == 0 {
		return Fail
	}
	return result
}

// A rowKey names one row.
type rowKey struct {
	provider, variant string
	cpu               string // of the policy's portability; "": the machine's own
	required          bool
}

func keyOf(e Evidence) rowKey { return rowKey{provider: e.Provider, variant: e.Variant, cpu: e.CPU} }

// same tells whether two keys name the same row.
func (k rowKey) same(o rowKey) bool {
	return k.provider == o.provider && k.variant == o.variant && k.cpu == o.cpu
}

// plan is what the policy wants measured for a row.
func (in Input) plan(k rowKey) Plan {
	file := in.Candidate.Manifest.Variants[in.Policy.FileOf(k.variant)]
	if k.cpu != "" {
		return PortabilityPlan(in.Golden, file)
	}
	return PlanFor(in.Policy, in.Golden, k.provider, k.variant, file)
}

// planOf is the plan to which evidence of a row is held. Points at which the
// channel decides nothing may be measured briefly or in full, as the evidence
// says; all others are measured in full.
func (in Input) planOf(k rowKey, e Evidence) Plan {
	full := in.plan(k)
	if brief := full.For(in.Policy.Latency, in.Channel, in.Policy.Class(k.provider, k.variant)).Brief; holdsAll(brief, e.Plan.Brief) {
		full.Brief = e.Plan.Brief
	}
	return full
}

// rows lists the required rows in the channel's order, then the policy's other
// ones, then those that only the evidence knows.
func (in Input) rows() []rowKey {
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
	for _, e := range in.sorted() {
		add(keyOf(e), false)
	}
	return keys
}

// sorted is the evidence in an order that the caller's does not change.
func (in Input) sorted() []Evidence {
	all := slices.Clone(in.Evidence)
	slices.SortStableFunc(all, func(a, b Evidence) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

// judge makes one row. The case is nil where nothing was measured.
func (in Input) judge(checks []check, r *references, k rowKey) (Row, *gateCase) {
	row := Row{Provider: k.provider, Variant: k.variant, CPU: k.cpu, Required: k.required}
	var mine []Evidence
	for _, e := range in.sorted() {
		if keyOf(e).same(k) {
			mine = append(mine, e)
		}
	}
	one := Finding{Check: "integrity", Item: "evidence", Threshold: "one measurement"}
	switch {
	case len(mine) == 0:
		one.Result, one.Measured = NotMeasuredR, "no evidence of it was given"
		one.Next = fmt.Sprintf("Run `embedgate measure --provider %s` on a machine that has it, and give its evidence to the gate.", k.provider)
		if k.cpu != "" {
			one.Next = fmt.Sprintf("Run `embedgate run --portability`, or `embedgate measure --provider %s --portability` where QEMU is, and give its evidence to the gate.", k.provider)
		}
		row.Findings = append([]Finding{one}, in.static(checks, k)...)
	case len(mine) > 1:
		row.Evidence = mine[0].Digest
		one.Result, one.Value = Fail, float64(len(mine))
		one.Measured = fmt.Sprintf("%d pieces of evidence", len(mine))
		one.Next = "Give one piece of evidence for each provider and variant; choosing among several is choosing the result."
		row.Findings = []Finding{one}
	default:
		e := mine[0]
		row.Evidence = e.Digest
		c := gateCase{
			policy: in.Policy, candidate: in.Candidate, nonce: in.Nonce, channel: in.Channel,
			cpu: k.cpu, foreign: in.Foreign, class: in.Policy.Class(k.provider, k.variant), evidence: e,
		}
		file := in.Policy.FileOf(k.variant)
		c.graph = in.Graphs[file]
		if e.NotMeasured == nil && e.Machine.OS != "" {
			row.Machine = e.Machine.shown()
		}
		if e.Session.Provider != "" {
			row.Session = &Session{Runtime: strings.TrimSpace(e.Session.Runtime + " " + e.Session.RuntimeVersion), Library: e.Session.LibrarySHA256, Device: e.Session.Device, Options: e.Session.Options}
		}
		row.Emulation = e.Emulation
		c.plan = in.planOf(k, e)
		var err error
		if c.golden, err = r.of(c.plan.Texts); err != nil {
			one.Result, one.Measured = Fail, err.Error()
			one.Next = "Raise the provider's texts in the policy, or leave it out: every golden text is then measured."
			row.Findings = []Finding{one}
			break
		}
		if n := e.NotMeasured; n != nil {
			one.Result, one.Measured, one.Next = NotMeasuredR, n.Reason, n.Remedy
			row.Findings = append([]Finding{one}, in.static(checks, k)...)
			if f := bindingOf(c); f.Result != Pass {
				row.Findings = append([]Finding{f}, row.Findings...)
			}
			break
		}
		o := opine(checks, c)
		row.Findings, row.Latency, row.Parity = o.findings, o.latency, o.parity
		row.Placement, row.WorthIt, row.Bits = o.placement, o.worth, o.bits
		row.Result = worst(row.Findings)
		return row, &c
	}
	row.Result = worst(row.Findings)
	return row, nil
}

// static is what is said of a file that nobody measured there, by the file
// alone: a provider that is known to split it need not be asked.
func (in Input) static(checks []check, k rowKey) (all []Finding) {
	c := gateCase{
		policy: in.Policy, graph: in.Graphs[in.Policy.FileOf(k.variant)], cpu: k.cpu, foreign: in.Foreign,
		evidence: Evidence{Provider: k.provider, Variant: k.variant},
	}
	for _, check := range checks {
		if check.static && check.concerns(c) {
			all = append(all, check.judge(c).findings...)
		}
	}
	return all
}

// opine asks every check that applies. Of evidence that a crash cut short, those are asked
// whose data are still there; the crash itself has already failed it. Of evidence
// whose numbers integrity refuses, those are asked that do not study them.
func opine(checks []check, c gateCase) (all opinion) {
	for i, k := range checks {
		if !k.concerns(c) || c.evidence.Crash != nil && !k.holds(c.evidence) || c.unfit && k.studies {
			continue
		}
		o := k.judge(c)
		if k.name == integrityName {
			c.unfit = worthless(o.findings, checks[i+1:], c)
		}
		if len(o.findings) == 0 { // a check that says nothing has proven nothing
			o.findings = []Finding{{
				Check: k.name, Result: Fail, Measured: "nothing", Threshold: "a finding",
				Next: "This is a fault of embedgate; report it.",
			}}
		}
		all.findings = append(all.findings, o.findings...)
		all.latency = append(all.latency, o.latency...)
		all.placement = append(all.placement, o.placement...)
		all.worth = append(all.worth, o.worth...)
		if o.parity != nil {
			all.parity = o.parity
		}
		all.bits += o.bits // one check has any
	}
	return all
}

// check refuses input that no verdict can be given on.
func (in Input) check() error {
	bad := func(thing, got, wanted, next string) error {
		return &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted, Next: next}
	}
	p := in.Policy
	channel, ok := p.Channels[in.Channel]
	switch {
	case !ok:
		return bad("channel", fmt.Sprintf("%q", in.Channel), fmt.Sprintf("one of %q", slices.Sorted(maps.Keys(p.Channels))), "")
	case len(channel.Require) == 0:
		return bad("channel "+in.Channel, "no required provider", "at least one", "add one to channels in the policy")
	case p.Digest == "":
		return bad("policy", "no digest", "a policy that was read from its file", "")
	case in.Candidate.Digest == "":
		return bad("candidate", "no digest", "a candidate that was read from its directory", "")
	}
	for _, name := range channel.Require {
		if q, ok := p.Providers[name]; !ok || len(q.Variants) == 0 {
			return bad("provider "+name, "none with variants in the policy", "one, since channel "+in.Channel+" requires it", "add it to providers in the policy")
		}
	}
	l := p.Latency
	if l.Launches < 1 || l.Samples < l.Launches || l.Samples%l.Launches != 0 {
		return bad("policy, latency", fmt.Sprintf("%d samples over %d launches", l.Samples, l.Launches), "an equal share of samples in each launch", "")
	}
	for _, b := range l.Budgets {
		if b.Budget <= 0 || !(b.Confidence > 0 && b.Confidence < 1) || !(b.Percentile > 0 && b.Percentile < 100) {
			return bad("policy, latency.budgets", fmt.Sprintf("%s of %s at %v %%", LatencyPoint{b.Tokens, b.Batch}.Label(), b.Budget, b.Percentile), "a budget with percentile and confidence", "")
		}
		// Without a single sample over it, the budget must be provable.
		if d := stats.Decide([][]float64{make([]float64, l.Samples)}, statsBudget(l, b)); d.Answer != stats.Within {
			return bad("policy, latency.samples", fmt.Sprint(l.Samples),
				fmt.Sprintf("enough to prove p%v at confidence %.4g: with no sample over the budget P is still %.2g", b.Percentile, l.Confidence(b.Confidence), d.P),
				"raise latency.samples, or lower the budget's percentile or confidence")
		}
	}
	if p.ColdStart.Budget <= 0 || p.Memory.Budget <= 0 {
		return bad("policy", "no budget for cold_start or memory", "both", "")
	}
	if w := p.WorthIt; w != nil {
		if a, _ := stats.SignTest(w.Rounds, w.Rounds, w.Confidence); a != stats.Within || w.Speedup == nil || w.Samples < 1 {
			return bad("policy, worth_it", fmt.Sprintf("%d rounds of %d samples", w.Rounds, w.Samples),
				fmt.Sprintf("a speedup, and enough rounds to prove it at confidence %v", w.Confidence), "raise worth_it.rounds")
		}
	}
	for _, name := range channel.Require {
		for _, v := range p.Providers[name].Variants {
			if !in.gated(name, v) {
				return bad(fmt.Sprintf("channel %s, %s × %s", in.Channel, name, v), "no line of latency.budgets that gates it there and fits its length", "at least one: what is only reported proves nothing",
					"leave out channels or classes of a line in the policy, or add one")
			}
		}
	}
	return in.checkThresholds(bad)
}

// gated tells whether the channel gates any latency that is measured of a
// provider × variant. A file of fixed length is measured at what fits it.
func (in Input) gated(provider, variant string) bool {
	class := in.Policy.Class(provider, variant)
	plan := PlanFor(in.Policy, in.Golden, provider, variant, in.Candidate.Manifest.Variants[in.Policy.FileOf(variant)])
	return len(plan.gated(in.Policy.Latency, in.Channel, class)) > 0
}

func (in Input) checkThresholds(bad func(thing, got, wanted, next string) error) error {
	for _, name := range slices.Sorted(maps.Keys(in.Policy.Providers)) {
		for _, v := range in.Policy.Providers[name].Variants {
			class := in.Policy.Class(name, v)
			parity, ok := in.Policy.Parity[class]
			if !ok || parity.MinCosine == nil || in.Policy.Invariance[class].MaxAbs == nil {
				return bad("policy, variant "+v, fmt.Sprintf("no thresholds for precision %q", class), "parity and invariance for it", "add them to the policy")
			}
			if parity.Rank != nil && len(in.Golden.Texts) < 3 {
				return bad("golden", plural(len(in.Golden.Texts), "text", "texts"), "at least 3, since the policy judges their ranking", "make a larger golden")
			}
		}
	}
	for name := range in.Golden.Source {
		if isWeights(name) {
			return nil
		}
	}
	return bad("golden", "no weights file among its sources", "the sha256 of the weights that it was made from", "make it again with `embedgate golden`")
}
