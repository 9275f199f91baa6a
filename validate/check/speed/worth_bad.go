package speed

import (
	"slices"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/stats"
	"github.com/embedgate/embedgate/validate/verdict"
)

// badWorth returns comparisons that were lost, and ones that were not made as
// planned.
func badWorth() []check.BadCase {
	pairs := func(name, item string, spoil func(c *check.Case)) check.BadCase {
		return check.BadCase{Name: name, Item: item, Spoil: func(c *check.Case) bool {
			if c.Policy.WorthIt == nil || len(c.Evidence.Pairs) < 4 {
				return false
			}
			spoil(c)
			return true
		}}
	}
	return []check.BadCase{
		pairs("slower than the CPU", "", func(c *check.Case) {
			eachOwnRun(c, func(_ int, r *evidence.PairedRun) {
				if r.Tokens == c.Plan.Pairs.Tokens[0] { // one of the lengths is enough
					slowDown(c, r)
				}
			})
		}),
		{Name: "faster by chance", Item: "", Want: verdict.Inconclusive, Spoil: func(c *check.Case) bool {
			w := c.Policy.WorthIt
			if w == nil || len(c.Evidence.Pairs) == 0 {
				return false
			}
			rounds := c.Plan.Pairs.Rounds
			if a, _ := stats.SignTest((rounds+1)/2, rounds, w.Confidence); a != stats.Unsure {
				return false // the confidence is so low that a majority decides
			}
			eachOwnRun(c, func(round int, r *evidence.PairedRun) {
				if round%2 == 0 {
					slowDown(c, r)
				}
			})
			return true
		}},
		pairs("a round left out", "rounds", func(c *check.Case) {
			last := c.Plan.Pairs.Rounds
			c.Evidence.Pairs = slices.DeleteFunc(c.Evidence.Pairs, func(r evidence.PairedRun) bool { return r.Round == last })
		}),
		pairs("always the same first", "rounds", func(c *check.Case) {
			for i := range c.Evidence.Pairs {
				c.Evidence.Pairs[i].Order = sideOf(*c, c.Evidence.Pairs[i])
			}
		}),
		pairs("a round against another provider", "rounds", func(c *check.Case) { c.Evidence.Pairs[0].Provider += "-other" }),
		pairs("a sample of a round left out", "rounds", func(c *check.Case) { c.Evidence.Pairs[0].SamplesNS = nil }),
		pairs("a round of 0 ns", "rounds", func(c *check.Case) { c.Evidence.Pairs[0].SamplesNS[0] = 0 }),
	}
}

func eachOwnRun(c *check.Case, do func(round int, r *evidence.PairedRun)) {
	for i := range c.Evidence.Pairs {
		if r := &c.Evidence.Pairs[i]; sideOf(*c, *r) == 0 {
			do(r.Round, r)
		}
	}
}

// slowDown makes a run slower than the other provider's in the same round, by
// twice what the policy allows.
func slowDown(c *check.Case, r *evidence.PairedRun) {
	for _, o := range c.Evidence.Pairs {
		if o.Round == r.Round && o.Tokens == r.Tokens && sideOf(*c, o) == 1 {
			slowest := slices.Max(o.SamplesNS)
			r.SamplesNS = good.Repeated(int64(2*float64(slowest) / *c.Policy.WorthIt.Speedup)+1, len(r.SamplesNS))
		}
	}
}
