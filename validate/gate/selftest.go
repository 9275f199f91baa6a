package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// selfTest runs the checks on known-good cases, which they must accept, and
// each check on its known-bad cases, which it must refuse. Each case is one
// finding, Pass when the result was the expected one. The cases are made from
// the golden vectors and the policy's own thresholds, so that the test also
// works without evidence, and again from the first measured evidence that
// passed. The same functions judge them as judge evidence. A check that accepts
// a case of which no known-bad case could be made fails too.
func selfTest(checks []check.Check, in check.Input, r *check.Reference, passed []check.Case, rows []verdict.Row) []verdict.Finding {
	var all []verdict.Finding
	for _, b := range goodCases(in, r) {
		all = append(all, acceptsGood(checks, b))
	}
	few := fewTextsOf(r)
	portable := portableCases(in, few)
	for _, b := range portable {
		all = append(all, acceptsGood(checks, b))
	}
	if f, asked := portabilityRequired(in); asked {
		all = append(all, f)
	}
	bases := slices.Concat(goodCases(in, few), portable, passed)
	for _, k := range checks {
		if len(k.KnownBad) == 0 {
			f := selfTestFinding(k.Name, "refused")
			f.Result, f.Measured = verdict.Fail, "no known-bad case"
			all = append(all, f)
		}
		covered := make([]bool, len(bases))
		for _, bad := range k.KnownBad {
			if f, applies := refuses(k, bad, bases, covered); applies {
				all = append(all, f)
			}
		}
		if f, unproven := uncovered(k, bases, covered, rows); unproven {
			all = append(all, f)
		}
	}
	return all
}

// uncovered finds a check whose PASS is not supported: it passes a case of which
// no known-bad case could be made, or it passed a row of this verdict and no
// known-bad case could be made at all. covered says for each base whether a
// known-bad case was made of it.
func uncovered(k check.Check, bases []check.Case, covered []bool, rows []verdict.Row) (f verdict.Finding, unproven bool) {
	f = selfTestFinding(k.Name, "at least one known-bad case refused")
	f.Result = verdict.Fail
	for i, base := range bases {
		if !covered[i] && k.Concerns(base) && passes(k.Name, k.Judge(base).Findings) {
			f.Measured = fmt.Sprintf("it passes %s × %s, and none of its known-bad cases could be made of that", base.Evidence.Provider, base.Evidence.Variant)
			return f, true
		}
	}
	if slices.Contains(covered, true) {
		return f, false
	}
	for _, r := range rows {
		if passes(k.Name, r.Findings) {
			f.Measured = fmt.Sprintf("it passed %s × %s, and none of its known-bad cases could be made", r.Provider, r.Variant)
			return f, true
		}
	}
	return f, false
}

// passes reports whether any finding of a check is a PASS.
func passes(check string, findings []verdict.Finding) bool {
	return slices.ContainsFunc(findings, func(f verdict.Finding) bool { return f.Check == check && f.Result == verdict.Pass })
}

func selfTestFinding(item, threshold string) verdict.Finding {
	return verdict.Finding{
		Check: "self-test", Item: item, Result: verdict.Pass, Threshold: threshold,
		Next: "The gate is broken and its verdict worthless: publish nothing, and report this with the verdict's file.",
	}
}

// fewTexts is the number of texts of a known-bad case: comparing each text with
// each other is most of the cost, and every class has its own cases.
const fewTexts = 64

// fewTextsOf returns the reference of a few texts: a sample of all lengths, and
// those of the first ranking cases.
func fewTextsOf(r *check.Reference) *check.Reference {
	if len(r.Texts) <= 2*fewTexts {
		return r
	}
	texts := evidence.TextsOf(r.Set, fewTexts, math.MaxInt)
	for _, o := range r.Pairs[:min(len(r.Pairs), 4)] {
		texts = append(texts, o.Anchor, o.Paraphrase, o.NearMiss)
	}
	slices.Sort(texts)
	few, err := check.NewReference(r.Subset(slices.Compact(texts)))
	if err != nil {
		return r // its shape was checked
	}
	return few
}

// goodCases returns one known-good case for each precision class of the policy
// and each combination of limits that a provider may have: thresholds depend on
// both.
func goodCases(in check.Input, r *check.Reference) []check.Case {
	type kind struct {
		class                           candidate.Precision
		pairs, nodes, duration, devices bool
	}
	var bases []check.Case
	seen := map[kind]bool{}
	for _, p := range slices.Sorted(maps.Keys(in.Policy.Providers)) {
		q := in.Policy.Providers[p]
		for _, v := range q.Variants {
			k := kind{class: in.Policy.Class(p, v), pairs: in.Policy.WorthIt != nil && in.Policy.WorthIt.Provider != p}
			e, _ := providers.Lookup(p)
			k.devices = e.Plan != nil
			if q.Placement == nil || q.Placement.MinFLOPs == nil {
				continue // without a threshold its row fails, and no case is good
			}
			k.nodes, k.duration = q.Placement.MinNodes != nil, q.Placement.MinTime != nil
			if !seen[k] {
				seen[k] = true
				bases = append(bases, good.Case(in.Policy, in.Channel, r, p, v))
			}
		}
	}
	return bases
}

func acceptsGood(checks []check.Check, c check.Case) verdict.Finding {
	f := selfTestFinding(strings.TrimSpace("known-good "+string(c.Class)+" evidence "+c.CPU), "accepted")
	f.Measured = "accepted"
	for _, got := range runChecks(checks, c).Findings {
		if got.Result == verdict.Pass || got.Result == verdict.Reported {
			continue
		}
		f.Result = verdict.Fail
		f.Measured = fmt.Sprintf("%s by %s, %s: %s, wanted %s", got.Result, got.Check, got.Item, got.Measured, got.Threshold)
		f.Next = "This evidence is the golden itself, rounded to float32, and well within every budget. Either the policy asks for more than float32 can hold, or the gate is broken: look at that threshold first."
		return f
	}
	f.Next = ""
	return f
}

// refuses runs a check on one known-bad case, made from every base, and marks
// the bases of which it could be made.
func refuses(k check.Check, bad check.BadCase, bases []check.Case, covered []bool) (f verdict.Finding, applies bool) {
	want := bad.Want
	if want == "" {
		want = verdict.Fail
	}
	f = selfTestFinding(k.Name+": "+bad.Name, "refused as "+string(want))
	for i, base := range bases {
		c := base
		if !k.Concerns(c) {
			continue
		}
		c.Evidence = cloneFor(k, base.Evidence)
		if !bad.Spoil(&c) {
			continue
		}
		applies, covered[i] = true, true
		refusal, refused := refusalOf(k.Judge(c).Findings, bad.Item, want)
		if !refused {
			f.Result = verdict.Fail
			f.Measured = fmt.Sprintf("let pass on %s × %s", c.Evidence.Provider, c.Evidence.Variant)
			return f, true
		}
		if f.Measured == "" {
			f.Measured = "refused by " + refusal.Item + ": " + refusal.Measured
		}
	}
	f.Next = ""
	return f, applies
}

func refusalOf(findings []verdict.Finding, item string, want verdict.Result) (verdict.Finding, bool) {
	for _, f := range findings {
		if f.Result == want && strings.HasPrefix(f.Item, item) {
			return f, true
		}
	}
	return verdict.Finding{}, false
}

// cloneFor copies what a check's known-bad cases may change.
func cloneFor(k check.Check, e evidence.Evidence) evidence.Evidence {
	e = evidence.CloneMeasured(e)
	if k.ChangesVectors {
		e.Raw = evidence.CloneRaw(e.Raw)
	}
	return e
}
