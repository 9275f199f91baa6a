package speed

import (
	"fmt"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
	"time"
)

// ColdStart proves that the slowest launch, from process start to its
// first vector, is within its budget.
func ColdStart() check.Check {
	return check.Check{
		Name:  "cold-start",
		Holds: func(evidence.Evidence) bool { return false },
		Judge: judgeColdStart,
		Bad: []check.BadCase{
			{Name: "a slow cold start", Spoil: func(c *check.Case) bool {
				s := &c.Evidence.Cold[len(c.Evidence.Cold)-1]
				s.FromStartNS = 2 * int64(c.Policy.ColdStartOf(c.Evidence.Provider))
				return true
			}},
			{Name: "no cold start measured", Spoil: func(c *check.Case) bool {
				c.Evidence.Cold = nil
				return true
			}},
		},
	}
}

func judgeColdStart(c check.Case) check.Result {
	budget := c.Policy.ColdStartOf(c.Evidence.Provider)
	f := verdict.Finding{Check: "cold-start", Item: "slowest launch", Result: verdict.Fail, Threshold: "≤ " + budget.String()}
	var worst evidence.ColdStart
	for _, s := range c.Evidence.Cold {
		if s.FromStartNS >= worst.FromStartNS {
			worst = s
		}
	}
	f.Value = float64(worst.FromStartNS)
	switch {
	case len(c.Evidence.Cold) == 0:
		f.Measured, f.Next = "no launch", "Measure again: no cold start was written down."
	case worst.FromStartNS <= 0 || worst.FromStartNS > int64(budget):
		f.Measured = Milliseconds(worst.FromStartNS)
		f.Next = fmt.Sprintf("Launch %d took %s to load library and model and %s for its first vector. Look for a provider that compiles at load (a cache may help) or a slow disk; or change cold_start in policy.yaml.",
			worst.Launch, Milliseconds(worst.LoadNS), Milliseconds(worst.FirstNS))
	default:
		f.Result, f.Measured = verdict.Pass, Milliseconds(worst.FromStartNS)
		f.Sure = "worst of " + text.Plural(len(c.Evidence.Cold), "launch", "launches")
	}
	f.Threshold = "≤ " + Milliseconds(int64(budget/time.Nanosecond))
	return check.Result{Findings: []verdict.Finding{f}}
}
