package speed

import (
	"fmt"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Memory proves that the largest resident set of any measuring process is
// within its budget.
func Memory() check.Check {
	return check.Check{
		Name:  "memory",
		Holds: func(evidence.Evidence) bool { return false },
		Judge: judgeMemory,
		Bad: []check.BadCase{
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
	budget := int64(c.Policy.MemoryOf(c.Evidence.Provider))
	f := verdict.Finding{Check: "memory", Item: "largest process", Result: verdict.Fail, Threshold: "≤ " + mebibytes(budget)}
	var worst evidence.MemoryPeak
	for _, m := range c.Evidence.Memory {
		if m.RSS >= worst.RSS {
			worst = m
		}
	}
	f.Value = float64(worst.RSS)
	switch {
	case len(c.Evidence.Memory) == 0:
		f.Measured, f.Next = "no process", "Measure again: no resident set was written down."
	case worst.RSS <= 0 || worst.RSS > budget:
		f.Measured = mebibytes(worst.RSS)
		f.Next = fmt.Sprintf("The process of launch %d is too large. Look for a provider that keeps a second copy of the weights or an arena that never shrinks; or change memory in policy.yaml.", worst.Launch)
	default:
		f.Result, f.Measured = verdict.Pass, mebibytes(worst.RSS)
		f.Sure = "largest of " + text.Plural(len(c.Evidence.Memory), "process", "processes")
	}
	return check.Result{Findings: []verdict.Finding{f}}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
