package speed

import (
	"slices"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// badLatency returns slow runs, and runs on a machine that is too noisy for a
// decision.
func badLatency() []check.BadCase {
	return []check.BadCase{
		slowed("a slow run", "", verdict.Fail, func(c *check.Case, r *evidence.LatencyRun, budget int64, _ float64) {
			for i := range r.SamplesNS {
				r.SamplesNS[i] = 2 * budget
			}
		}),
		slowed("a slow tail", "", verdict.Fail, func(c *check.Case, r *evidence.LatencyRun, budget int64, over float64) {
			// Four times the share that the percentile allows, evenly spread.
			share := min(4*over, 1)
			for i := range r.SamplesNS {
				if r.SamplesNS[i] = max(budget/10, 1); int(float64(i+1)*share) > int(float64(i)*share) {
					r.SamplesNS[i] = 2 * budget
				}
			}
		}),
		slowed("a narrow pass on a noisy machine", "", verdict.Inconclusive, func(c *check.Case, r *evidence.LatencyRun, budget int64, _ float64) {
			for i := range r.SamplesNS {
				r.SamplesNS[i] = max(budget-budget/10, 1)
			}
			r.StealTicks, r.TotalTicks = 500, 1000
			r.CalibrationNS = good.Repeated(1e6, 16)
		}),
	}
}

// slowed changes the samples at the first budget that gates.
func slowed(name, item string, want verdict.Result, spoil func(c *check.Case, r *evidence.LatencyRun, budget int64, over float64)) check.BadCase {
	return check.BadCase{Name: name, Item: item, Want: want, Spoil: func(c *check.Case) bool {
		for _, b := range c.Policy.Latency.Budgets {
			if !b.Gates(c.Channel, c.Class) || b.Budget < 100 || !slices.Contains(c.Plan.Points, evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}) { // a tenth of less than 100 ns is too little to change
				continue
			}
			p := evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}
			for i := range c.Evidence.Latency {
				if r := &c.Evidence.Latency[i]; r.LatencyPoint == p {
					spoil(c, r, int64(b.Budget), 1-b.Percentile/100)
				}
			}
			return true
		}
		return false
	}}
}
