package speed

import (
	"fmt"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Memory proves that the largest resident set of any measuring process is
// within its budget.
func Memory() check.Check {
	return check.Check{
		Name:    "memory",
		HasData: func(evidence.Evidence) bool { return false },
		Judge:   judgeMemory,
		KnownBad: []check.BadCase{
			{Name: "a launch that takes too much memory", Spoil: func(c *check.Case) bool {
				c.Evidence.Memory[0].RSS = 2 * int64(c.Policy.MemoryOf(c.Evidence.Provider))
				return true
			}},
			{Name: "no memory measured", Spoil: func(c *check.Case) bool {
				c.Evidence.Memory = nil
				return true
			}},
		},
	}
}

func judgeMemory(c check.Case) check.Result {
	return worstCase[evidence.MemoryPeak]{
		check: "memory", item: "largest process",
		all:    c.Evidence.Memory,
		value:  func(m evidence.MemoryPeak) int64 { return m.RSS },
		budget: int64(c.Policy.MemoryOf(c.Evidence.Provider)),
		format: mebibytes, adjective: "largest", one: "process", many: "processes",
		missing: "Measure again: no resident set was written down.",
		next: func(m evidence.MemoryPeak) string {
			return fmt.Sprintf("The process of launch %d is too large. Look for a provider that keeps a second copy of the weights or an arena that never shrinks; or change memory in policy.yaml.", m.Launch)
		},
	}.judge()
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
