package validate

import (
	"fmt"
	"time"
)

// coldStartCheck proves that the slowest launch, from process start to its
// first vector, is within its budget.
func coldStartCheck() check {
	return check{
		name:  "cold-start",
		holds: func(Evidence) bool { return false },
		judge: judgeColdStart,
		bad: []badCase{
			{name: "a slow cold start", spoil: func(c *gateCase) bool {
				s := &c.evidence.Cold[len(c.evidence.Cold)-1]
				s.FromStartNS = 2 * int64(c.policy.ColdStartOf(c.evidence.Provider))
				return true
			}},
			{name: "no cold start measured", spoil: func(c *gateCase) bool {
				c.evidence.Cold = nil
				return true
			}},
		},
	}
}

func judgeColdStart(c gateCase) opinion {
	budget := c.policy.ColdStartOf(c.evidence.Provider)
	f := Finding{Check: "cold-start", Item: "slowest launch", Result: Fail, Threshold: "≤ " + budget.String()}
	var worst ColdStart
	for _, s := range c.evidence.Cold {
		if s.FromStartNS >= worst.FromStartNS {
			worst = s
		}
	}
	f.Value = float64(worst.FromStartNS)
	switch {
	case len(c.evidence.Cold) == 0:
		f.Measured, f.Next = "no launch", "Measure again: no cold start was written down."
	case worst.FromStartNS <= 0 || worst.FromStartNS > int64(budget):
		f.Measured = milliseconds(worst.FromStartNS)
		f.Next = fmt.Sprintf("Launch %d took %s to load library and model and %s for its first vector. Look for a provider that compiles at load (a cache may help) or a slow disk; or change cold_start in policy.yaml.",
			worst.Launch, milliseconds(worst.LoadNS), milliseconds(worst.FirstNS))
	default:
		f.Result, f.Measured = Pass, milliseconds(worst.FromStartNS)
		f.Sure = "worst of " + plural(len(c.evidence.Cold), "launch", "launches")
	}
	f.Threshold = "≤ " + milliseconds(int64(budget/time.Nanosecond))
	return opinion{findings: []Finding{f}}
}
