package validate

import (
	"slices"

	"github.com/embedgate/embedgate/validate/stats"
)

// badWorth is comparisons that were lost, and ones that were not made as
// planned.
func badWorth() []badCase {
	pairs := func(name, item string, spoil func(c *gateCase)) badCase {
		return badCase{name: name, item: item, spoil: func(c *gateCase) bool {
			if c.policy.WorthIt == nil || len(c.evidence.Pairs) < 4 {
				return false
			}
			spoil(c)
			return true
		}}
	}
	return []badCase{
		pairs("slower than the CPU", "", func(c *gateCase) {
			forMine(c, func(_ int, r *PairedRun) {
				if r.Tokens == c.plan.Pairs.Tokens[0] { // of several lengths one is enough
					slowTo(c, r)
				}
			})
		}),
		{name: "faster by chance", item: "", want: Inconclusive, spoil: func(c *gateCase) bool {
			w := c.policy.WorthIt
			if w == nil || len(c.evidence.Pairs) == 0 {
				return false
			}
			rounds := c.plan.Pairs.Rounds
			if a, _ := stats.SignTest((rounds+1)/2, rounds, w.Confidence); a != stats.Unsure {
				return false // a confidence so low that a majority is enough
			}
			forMine(c, func(round int, r *PairedRun) {
				if round%2 == 0 {
					slowTo(c, r)
				}
			})
			return true
		}},
		pairs("a round left out", "rounds", func(c *gateCase) {
			last := c.plan.Pairs.Rounds
			c.evidence.Pairs = slices.DeleteFunc(c.evidence.Pairs, func(r PairedRun) bool { return r.Round == last })
		}),
		pairs("always the same first", "rounds", func(c *gateCase) {
			for i := range c.evidence.Pairs {
				c.evidence.Pairs[i].Order = sideOf(*c, c.evidence.Pairs[i])
			}
		}),
		pairs("a round against somebody else", "rounds", func(c *gateCase) { c.evidence.Pairs[0].Provider += "-other" }),
		pairs("a sample of a round left out", "rounds", func(c *gateCase) { c.evidence.Pairs[0].SamplesNS = nil }),
		pairs("a round in no time", "rounds", func(c *gateCase) { c.evidence.Pairs[0].SamplesNS[0] = 0 }),
	}
}

func forMine(c *gateCase, do func(round int, r *PairedRun)) {
	for i := range c.evidence.Pairs {
		if r := &c.evidence.Pairs[i]; sideOf(*c, *r) == 0 {
			do(r.Round, r)
		}
	}
}

// slowTo makes a run slower than the other side's of its round by twice what
// the policy allows.
func slowTo(c *gateCase, r *PairedRun) {
	for _, o := range c.evidence.Pairs {
		if o.Round == r.Round && o.Tokens == r.Tokens && sideOf(*c, o) == 1 {
			slowest := slices.Max(o.SamplesNS)
			r.SamplesNS = repeat(int64(2*float64(slowest) / *c.policy.WorthIt.Speedup)+1, len(r.SamplesNS))
		}
	}
}

// goodPairs is a comparison that was clearly won.
func goodPairs(c gateCase) (all []PairedRun) {
	plan := c.plan.Pairs
	if plan == nil {
		return nil
	}
	mine := int64(1e6)
	if limit := c.plan.pairLimit(); limit > 0 {
		// Four times as slow, as slowTo makes it, it still is within the limit.
		mine = max(min(mine, int64(float64(limit)/(8*float64(plan.Samples)*max(*c.policy.WorthIt.Speedup, 1)))), 1)
	}
	other := int64(2*float64(mine)**c.policy.WorthIt.Speedup) + 1
	for round := 1; round <= plan.Rounds; round++ {
		for _, tokens := range plan.Tokens {
			all = append(all,
				PairedRun{Round: round, Order: round % 2, Provider: c.evidence.Provider, Variant: c.evidence.Variant, Tokens: tokens, SamplesNS: repeat(mine, plan.Samples)},
				PairedRun{Round: round, Order: 1 - round%2, Provider: plan.Provider, Variant: plan.Variant, Tokens: tokens, SamplesNS: repeat(other, plan.Samples)})
		}
	}
	return all
}
