package validate

import "fmt"

// memoryCheck proves that the largest resident set of any measuring process is
// within its budget.
func memoryCheck() check {
	return check{
		name:  "memory",
		holds: func(Evidence) bool { return false },
		judge: judgeMemory,
		bad: []badCase{
			{name: "a launch that takes too much memory", spoil: func(c *gateCase) bool {
				c.evidence.Memory[0].RSS = 2 * int64(c.policy.MemoryOf(c.evidence.Provider))
				return true
			}},
			{name: "no memory measured", spoil: func(c *gateCase) bool {
				c.evidence.Memory = nil
				return true
			}},
		},
	}
}

func judgeMemory(c gateCase) opinion {
	budget := int64(c.policy.MemoryOf(c.evidence.Provider))
	f := Finding{Check: "memory", Item: "largest process", Result: Fail, Threshold: "≤ " + mebibytes(budget)}
	var worst MemoryPeak
	for _, m := range c.evidence.Memory {
		if m.RSS >= worst.RSS {
			worst = m
		}
	}
	f.Value = float64(worst.RSS)
	switch {
	case len(c.evidence.Memory) == 0:
		f.Measured, f.Next = "no process", "Measure again: no resident set was written down."
	case worst.RSS <= 0 || worst.RSS > budget:
		f.Measured = mebibytes(worst.RSS)
		f.Next = fmt.Sprintf("The process of launch %d is too large. Look for a provider that keeps a second copy of the weights or an arena that never shrinks; or change memory in policy.yaml.", worst.Launch)
	default:
		f.Result, f.Measured = Pass, mebibytes(worst.RSS)
		f.Sure = "largest of " + plural(len(c.evidence.Memory), "process", "processes")
	}
	return opinion{findings: []Finding{f}}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
