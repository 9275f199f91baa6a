package good

import (
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// pairs returns a comparison that was clearly won.
func pairs(c check.Case) (all []evidence.PairedRun) {
	plan := c.Plan.Pairs
	if plan == nil {
		return nil
	}
	mine := int64(1e6)
	if limit := c.Plan.PairLimit(); limit > 0 {
		// The known-bad cases make it four times as slow, which must still be
		// within the limit.
		mine = max(min(mine, int64(float64(limit)/(8*float64(plan.Samples)*max(*c.Policy.WorthIt.Speedup, 1)))), 1)
	}
	other := int64(2*float64(mine)**c.Policy.WorthIt.Speedup) + 1
	for round := 1; round <= plan.Rounds; round++ {
		for _, tokens := range plan.Tokens {
			all = append(all,
				evidence.PairedRun{Round: round, Order: round % 2, Provider: c.Evidence.Provider, Variant: c.Evidence.Variant, Tokens: tokens, SamplesNS: Repeated(mine, plan.Samples)},
				evidence.PairedRun{Round: round, Order: 1 - round%2, Provider: plan.Provider, Variant: plan.Variant, Tokens: tokens, SamplesNS: Repeated(other, plan.Samples)})
		}
	}
	return all
}
