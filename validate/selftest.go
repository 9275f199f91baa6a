package validate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
)

// selfTest shows the checks known-good evidence, which they must pass, and each
// check its known-bad cases, which it must refuse: one finding a case, Pass
// when the gate behaved. The cases are made from the golden vectors and the
// policy's own thresholds, and again from the first measured evidence that
// passed, so that the test also works where nothing was measured. They go
// through the very functions that judge. A check that passes something and was
// shown no bad case of it fails, too.
func selfTest(checks []check, in Input, r *reference, passed []gateCase, rows []Row) []Finding {
	var all []Finding
	for _, b := range goodCases(in, r) {
		all = append(all, acceptsGood(checks, b))
	}
	few := someOf(r)
	portable := portableCases(in, few)
	for _, b := range portable {
		all = append(all, acceptsGood(checks, b))
	}
	if f, asked := portabilityRequired(in); asked {
		all = append(all, f)
	}
	bases := slices.Concat(goodCases(in, few), portable, passed)
	for _, k := range checks {
		if len(k.bad) == 0 {
			f := selfTestFinding(k.name, "refused")
			f.Result, f.Measured = Fail, "no known-bad case"
			all = append(all, f)
		}
		shown := make([]bool, len(bases))
		for _, bad := range k.bad {
			if f, applies := refuses(k, bad, bases, shown); applies {
				all = append(all, f)
			}
		}
		if f, unproven := unshown(k, bases, shown, rows); unproven {
			all = append(all, f)
		}
	}
	return all
}

// unshown fails a check whose PASS nothing supports: it passes a case of which
// none of its bad cases could be made, or it passed a row of this verdict and
// was shown none at all. shown tells of each base whether a bad case was made
// of it.
func unshown(k check, bases []gateCase, shown []bool, rows []Row) (f Finding, unproven bool) {
	f = selfTestFinding(k.name, "at least one known-bad case refused")
	f.Result = Fail
	for i, base := range bases {
		if !shown[i] && k.concerns(base) && passes(k.name, k.judge(base).findings) {
			f.Measured = fmt.Sprintf("it passes %s × %s, and none of its known-bad cases could be made of that", base.evidence.Provider, base.evidence.Variant)
			return f, true
		}
	}
	if slices.Contains(shown, true) {
		return f, false
	}
	for _, r := range rows {
		if passes(k.name, r.Findings) {
			f.Measured = fmt.Sprintf("it passed %s × %s, and none of its known-bad cases could be made", r.Provider, r.Variant)
			return f, true
		}
	}
	return f, false
}

// passes tells whether a check says PASS of anything.
func passes(check string, findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == check && f.Result == Pass })
}

func selfTestFinding(item, threshold string) Finding {
	return Finding{
		Check: "self-test", Item: item, Result: Pass, Threshold: threshold,
		Next: "The gate is broken and its verdict worthless: publish nothing, and report this with the verdict's file.",
	}
}

// fewTexts are enough for a bad case to show: comparing each text with each
// other is most of what judging costs, and every class has its own cases.
const fewTexts = 64

// someOf is the reference of a few texts: some that stand for all, and those of
// the first ranking cases.
func someOf(r *reference) *reference {
	if len(r.Texts) <= 2*fewTexts {
		return r
	}
	texts := textsOf(r.Set, fewTexts, math.MaxInt)
	for _, o := range r.pairs[:min(len(r.pairs), 4)] {
		texts = append(texts, o.anchor, o.paraphrase, o.nearMiss)
	}
	slices.Sort(texts)
	few, err := newReference(r.Subset(slices.Compact(texts)))
	if err != nil {
		return r // which is good: its shape was checked
	}
	return few
}

// goodCases is one known-good case for each precision class of the policy and
// each thing that may be asked of a provider, for thresholds hang on both.
func goodCases(in Input, r *reference) []gateCase {
	type kind struct {
		class                           candidate.Precision
		pairs, nodes, duration, devices bool
	}
	var bases []gateCase
	seen := map[kind]bool{}
	for _, p := range slices.Sorted(maps.Keys(in.Policy.Providers)) {
		q := in.Policy.Providers[p]
		for _, v := range q.Variants {
			k := kind{class: in.Policy.Class(p, v), pairs: in.Policy.WorthIt != nil && in.Policy.WorthIt.Provider != p}
			e, _ := providers.Lookup(p)
			k.devices = e.Plan != nil
			if q.Placement == nil || q.Placement.MinFLOPs == nil {
				continue // without a threshold nothing is good, and its row fails
			}
			k.nodes, k.duration = q.Placement.MinNodes != nil, q.Placement.MinTime != nil
			if !seen[k] {
				seen[k] = true
				bases = append(bases, knownGood(in, r, p, v))
			}
		}
	}
	return bases
}

func acceptsGood(checks []check, c gateCase) Finding {
	f := selfTestFinding(strings.TrimSpace("known-good "+string(c.class)+" evidence "+c.cpu), "accepted")
	f.Measured = "accepted"
	for _, got := range opine(checks, c).findings {
		if got.Result == Pass || got.Result == Reported {
			continue
		}
		f.Result = Fail
		f.Measured = fmt.Sprintf("%s by %s, %s: %s, wanted %s", got.Result, got.Check, got.Item, got.Measured, got.Threshold)
		f.Next = "This evidence is the golden itself, rounded to float32, and well within every budget. Either the policy asks for more than float32 can hold, or the gate is broken: look at that threshold first."
		return f
	}
	f.Next = ""
	return f
}

// refuses shows one bad case, made from every base, to its check, and marks the
// bases of which it could be made.
func refuses(k check, bad badCase, bases []gateCase, shown []bool) (f Finding, applies bool) {
	want := bad.want
	if want == "" {
		want = Fail
	}
	f = selfTestFinding(k.name+": "+bad.name, "refused as "+string(want))
	for i, base := range bases {
		c := base
		if !k.concerns(c) {
			continue
		}
		c.evidence = cloneFor(k, base.evidence)
		if !bad.spoil(&c) {
			continue
		}
		applies, shown[i] = true, true
		refusal, refused := refusalOf(k.judge(c).findings, bad.item, want)
		if !refused {
			f.Result = Fail
			f.Measured = fmt.Sprintf("let pass on %s × %s", c.evidence.Provider, c.evidence.Variant)
			return f, true
		}
		if f.Measured == "" {
			f.Measured = "refused by " + refusal.Item + ": " + refusal.Measured
		}
	}
	f.Next = ""
	return f, applies
}

func refusalOf(findings []Finding, item string, want Result) (Finding, bool) {
	for _, f := range findings {
		if f.Result == want && strings.HasPrefix(f.Item, item) {
			return f, true
		}
	}
	return Finding{}, false
}

// cloneFor copies what a check's bad cases may change.
func cloneFor(k check, e Evidence) Evidence {
	e = cloneMeasured(e)
	if k.raw {
		e.Raw = cloneRaw(e.Raw)
	}
	return e
}

// cloneMeasured copies all that a bad case may change, but for the vectors and
// ids.
func cloneMeasured(e Evidence) Evidence {
	e.Latency = slices.Clone(e.Latency)
	for i := range e.Latency {
		e.Latency[i].SamplesNS = slices.Clone(e.Latency[i].SamplesNS)
		e.Latency[i].CalibrationNS = slices.Clone(e.Latency[i].CalibrationNS)
	}
	e.Cold, e.Memory = slices.Clone(e.Cold), slices.Clone(e.Memory)
	e.Placement, e.Pairs, e.Planned = slices.Clone(e.Placement), slices.Clone(e.Pairs), slices.Clone(e.Planned)
	for i := range e.Placement {
		r := &e.Placement[i]
		r.Assigned, r.Events = slices.Clone(r.Assigned), slices.Clone(r.Events)
		for k := range r.Assigned {
			r.Assigned[k].Nodes = slices.Clone(r.Assigned[k].Nodes)
		}
	}
	for i := range e.Pairs {
		e.Pairs[i].SamplesNS = slices.Clone(e.Pairs[i].SamplesNS)
	}
	return e
}

func cloneRaw(v Vectors) Vectors {
	v.Primary = slices.Clone(v.Primary)
	v.IDs = slices.Clone(v.IDs)
	for i := range v.IDs {
		v.IDs[i] = slices.Clone(v.IDs[i])
	}
	v.Invariance = slices.Clone(v.Invariance)
	for i := range v.Invariance {
		v.Invariance[i].Vecs = slices.Clone(v.Invariance[i].Vecs)
		v.Invariance[i].Rows = slices.Clone(v.Invariance[i].Rows)
	}
	return v
}
