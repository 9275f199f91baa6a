package gate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/binding"
	"github.com/embedgate/embedgate/validate/check/speed"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/stats"
)

// checkInput refuses input that allows no verdict.
func checkInput(in check.Input) error {
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
			return bad("policy, latency.budgets", fmt.Sprintf("%s of %s at %v %%", evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}.Label(), b.Budget, b.Percentile), "a budget with percentile and confidence", "")
		}
		// Without a single sample over it, the budget must be provable.
		if d := stats.Decide([][]float64{make([]float64, l.Samples)}, speed.StatsBudget(l, b)); d.Answer != stats.Within {
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
			if !gatesAny(in, name, v) {
				return bad(fmt.Sprintf("channel %s, %s × %s", in.Channel, name, v), "no line of latency.budgets that gates it there and fits its length", "at least one: a value that is only reported proves nothing",
					"leave out channels or precisions of a line in the policy, or add one")
			}
		}
	}
	return checkThresholds(in, bad)
}

// gatesAny reports whether the channel gates any latency that is measured for a
// provider × variant. A file of fixed length is measured at the lengths that
// fit.
func gatesAny(in check.Input, provider, variant string) bool {
	class := in.Policy.Class(provider, variant)
	plan := evidence.PlanFor(in.Policy, in.Golden, provider, variant, in.Candidate.Manifest.Variants[in.Policy.FileOf(variant)])
	return len(plan.Gated(in.Policy.Latency, in.Channel, class)) > 0
}

func checkThresholds(in check.Input, bad func(thing, got, wanted, next string) error) error {
	for _, name := range slices.Sorted(maps.Keys(in.Policy.Providers)) {
		for _, v := range in.Policy.Providers[name].Variants {
			class := in.Policy.Class(name, v)
			parity, ok := in.Policy.Parity[class]
			if !ok || parity.MinCosine == nil || in.Policy.Invariance[class].MaxAbs == nil {
				return bad("policy, variant "+v, fmt.Sprintf("no thresholds for precision %q", class), "parity and invariance for it", "add them to the policy")
			}
			if parity.Rank != nil && len(in.Golden.Texts) < 3 {
				return bad("golden", text.Plural(len(in.Golden.Texts), "text", "texts"), "at least 3, since the policy judges their ranking", "make a larger golden")
			}
		}
	}
	for name := range in.Golden.Source {
		if binding.IsWeights(name) {
			return nil
		}
	}
	return bad("golden", "no weights file among its sources", "the sha256 of the weights that it was made from", "make it again with `embedgate golden`")
}
