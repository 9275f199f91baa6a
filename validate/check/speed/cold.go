package speed

import (
	"fmt"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// ColdStart proves that the slowest launch, from process start to its
// first vector, is within its budget.
func ColdStart() check.Check {
	return check.Check{
		Name:    "cold-start",
		HasData: func(evidence.Evidence) bool { return false },
		Judge:   judgeColdStart,
		KnownBad: []check.BadCase{
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
	return worstCase[evidence.ColdStart]{
		check: "cold-start", item: "slowest launch",
		all:    c.Evidence.Cold,
		value:  func(s evidence.ColdStart) int64 { return s.FromStartNS },
		budget: int64(c.Policy.ColdStartOf(c.Evidence.Provider)),
		format: Milliseconds, adjective: "worst", one: "launch", many: "launches",
		missing: "Measure again: no cold start was written down.",
		next: func(s evidence.ColdStart) string {
			return fmt.Sprintf("Launch %d took %s to load library and model and %s for its first vector. Look for a provider that compiles at load (a cache may help) or a slow disk; or change cold_start in policy.yaml.",
				s.Launch, Milliseconds(s.LoadNS), Milliseconds(s.FirstNS))
		},
	}.judge()
}
