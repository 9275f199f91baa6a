package numbers

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const (
	batchRun        = "batch-32"
	invarianceTexts = 16
)

// Invariance proves that a text's vector does not depend on the other texts of
// its batch: on the batch's size, padding, the position in the batch or
// concurrent calls.
func Invariance() check.Check {
	return check.Check{
		Name:           "invariance",
		Portable:       true,
		ChangesVectors: true,
		HasData:        func(e evidence.Evidence) bool { return len(e.Raw.Invariance) > 0 && len(e.Raw.Primary) > 0 },
		UsesNumbers:    true,
		Judge:          judgeInvariance,
		KnownBad:       badInvariance(),
	}
}

func judgeInvariance(c check.Case) check.Result {
	limit := c.Policy.Invariance[c.Class].MaxAbs
	if limit == nil {
		return check.Result{Findings: []verdict.Finding{noThreshold("invariance", "invariance", c)}}
	}
	runs := map[string][]evidence.InvarianceRun{}
	names := evidence.InvarianceRuns()
	for _, r := range c.Evidence.Raw.Invariance {
		if len(runs[r.Name]) == 0 && !slices.Contains(names, r.Name) {
			names = append(names, r.Name) // an unknown run is judged as well
		}
		runs[r.Name] = append(runs[r.Name], r)
	}
	var o check.Result
	for _, name := range names {
		o.Findings = append(o.Findings, judgeRun(c, name, runs[name], *limit))
	}
	return o
}

func judgeRun(c check.Case, name string, runs []evidence.InvarianceRun, limit float64) verdict.Finding {
	f := verdict.Finding{Check: "invariance", Item: text.Clip(name), Result: verdict.Fail, Threshold: "≤ " + c.Golden.Relative(limit)}
	f.Next = "Measure again, whole: without this run it is not known whether a vector depends on the other texts of its batch."
	primary, dim, n := c.Evidence.Raw.Primary, c.Golden.Dim, len(c.Golden.Texts)
	if len(runs) != 1 {
		f.Measured = fmt.Sprintf("%d runs", len(runs))
		return f
	}
	run := runs[0]
	if c.Evidence.Raw.Dim != dim || len(primary) != n*dim {
		f.Measured = "no vectors to compare with"
		return f
	}
	if len(run.Vecs) != len(run.Rows)*dim {
		f.Measured = fmt.Sprintf("%d values for %d rows of %d", len(run.Vecs), len(run.Rows), dim)
		return f
	}
	seen := map[int]bool{}
	for _, row := range run.Rows {
		if row < 0 || row >= n {
			f.Measured = fmt.Sprintf("row %d of %d texts", row, n)
			return f
		}
		seen[row] = true
	}
	least := min(invarianceTexts, n/2)
	if name == batchRun {
		least = n
	}
	if len(seen) < max(least, 1) {
		f.Measured = fmt.Sprintf("%d different texts, wanted %d", len(seen), max(least, 1))
		return f
	}
	largest, worst := 0.0, run.Rows[0]
	for k, row := range run.Rows {
		d := largestDifference(run.Vecs[k*dim:(k+1)*dim], primary[row*dim:(row+1)*dim]) / c.Golden.Sizes[row]
		if !(d <= largest) { // NaN counts as the largest
			largest, worst = d, row
		}
		if math.IsNaN(d) {
			break
		}
	}
	f.Measured, f.Value = c.Golden.Relative(largest), check.Rounded(largest)
	if largest <= limit {
		f.Result, f.Next = verdict.Pass, ""
		return f
	}
	t := c.Golden.Texts[worst]
	f.Next = fmt.Sprintf("Text %q (group %q) has another vector than alone. %s", t.ID, t.Group, invarianceCause(name))
	return f
}

// largestDifference returns the largest difference of two vectors' components,
// or NaN where one of them is NaN.
func largestDifference(a, b []float32) float64 {
	b = b[:len(a)]
	largest := 0.0
	for i, x := range a {
		d := math.Abs(float64(x) - float64(b[i]))
		if !(d <= largest) {
			largest = d
			if math.IsNaN(d) {
				break
			}
		}
	}
	return largest
}

func invarianceCause(name string) string {
	switch name {
	case "padded":
		return "Padding leaks into the result: the attention mask is not honoured in attention or in pooling."
	case "concurrent":
		return "Calls at the same time disturb each other: one session is shared without its own buffers or a lock."
	case "position", batchRun:
		return "The rows of a batch are not independent: look for a fixed batch size or a reduction over the wrong axis in the graph, or for a provider kernel that depends on the shape."
	}
	return "The rows of a batch must not depend on each other."
}

// badInvariance returns vectors that depend on the other texts of their batch,
// and runs that are missing.
func badInvariance() []check.BadCase {
	var all []check.BadCase
	for i, name := range evidence.InvarianceRuns() {
		all = append(all,
			check.BadCase{Name: "a vector that changes: " + name, Item: name, Spoil: func(c *check.Case) bool {
				limit := c.Policy.Invariance[c.Class].MaxAbs
				run, ok := runNamed(c, name)
				if limit == nil || !ok {
					return false
				}
				at := len(run.Vecs) / 2
				x := &run.Vecs[at]
				*x += float32(math.Copysign(3**limit*c.Golden.Sizes[run.Rows[at/c.Golden.Dim]], float64(*x)))
				return true
			}},
			check.BadCase{Name: "a run left out: " + name, Item: name, Spoil: func(c *check.Case) bool {
				r := &c.Evidence.Raw.Invariance
				for k := range *r {
					if (*r)[k].Name == name {
						*r = append((*r)[:k:k], (*r)[k+1:]...)
						return true
					}
				}
				return false
			}})
		if i == 0 {
			all = append(all, check.BadCase{Name: "a NaN in a batch", Item: name, Spoil: func(c *check.Case) bool {
				run, ok := runNamed(c, name)
				if ok {
					run.Vecs[0] = float32(math.NaN())
				}
				return ok
			}})
		}
	}
	return all
}

func runNamed(c *check.Case, name string) (*evidence.InvarianceRun, bool) {
	for k := range c.Evidence.Raw.Invariance {
		if r := &c.Evidence.Raw.Invariance[k]; r.Name == name && len(r.Vecs) > 0 {
			return r, true
		}
	}
	return nil, false
}
