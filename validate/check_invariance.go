package validate

import (
	"fmt"
	"math"
)

// Company is every way in which golden texts must have been run again; each is
// the name of an InvarianceRun. batch-32 runs all of them, the others at least
// companyTexts different ones (or half of the texts, where they are fewer).
func Company() []string { return []string{"batch-32", "padded", "position", "concurrent"} }

const (
	batchRun     = "batch-32"
	companyTexts = 16
)

// invarianceCheck proves that a text's vector does not hang on its company:
// the batch's size, padding, the place in the batch, or concurrent calls.
func invarianceCheck() check {
	return check{
		name:     "invariance",
		portable: true,
		raw:      true,
		holds:    func(e Evidence) bool { return len(e.Raw.Invariance) > 0 && len(e.Raw.Primary) > 0 },
		studies:  true,
		judge:    judgeInvariance,
		bad:      badInvariance(),
	}
}

func judgeInvariance(c gateCase) opinion {
	limit := c.policy.Invariance[c.class].MaxAbs
	if limit == nil {
		return opinion{findings: []Finding{noThreshold("invariance", "invariance", c)}}
	}
	runs := map[string][]InvarianceRun{}
	names := Company()
	for _, r := range c.evidence.Raw.Invariance {
		if len(runs[r.Name]) == 0 && !contains(names, r.Name) {
			names = append(names, r.Name) // a way that was not asked for is judged as well
		}
		runs[r.Name] = append(runs[r.Name], r)
	}
	var o opinion
	for _, name := range names {
		o.findings = append(o.findings, judgeCompany(c, name, runs[name], *limit))
	}
	return o
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

func judgeCompany(c gateCase, name string, runs []InvarianceRun, limit float64) Finding {
	f := Finding{Check: "invariance", Item: clip(name), Result: Fail, Threshold: "≤ " + c.golden.relative(limit)}
	f.Next = "Measure again, whole: without this run nobody knows whether a vector changes with its company."
	primary, dim, n := c.evidence.Raw.Primary, c.golden.Dim, len(c.golden.Texts)
	if len(runs) != 1 {
		f.Measured = fmt.Sprintf("%d runs", len(runs))
		return f
	}
	run := runs[0]
	if c.evidence.Raw.Dim != dim || len(primary) != n*dim {
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
	least := min(companyTexts, n/2)
	if name == batchRun {
		least = n
	}
	if len(seen) < max(least, 1) {
		f.Measured = fmt.Sprintf("%d different texts, wanted %d", len(seen), max(least, 1))
		return f
	}
	largest, worst := 0.0, run.Rows[0]
	for k, row := range run.Rows {
		d := farthest(run.Vecs[k*dim:(k+1)*dim], primary[row*dim:(row+1)*dim]) / c.golden.sizes[row]
		if !(d <= largest) { // NaN is the largest
			largest, worst = d, row
		}
		if math.IsNaN(d) {
			break
		}
	}
	f.Measured, f.Value = c.golden.relative(largest), settled(largest)
	if largest <= limit {
		f.Result, f.Next = Pass, ""
		return f
	}
	t := c.golden.Texts[worst]
	f.Next = fmt.Sprintf("Text %q (group %q) has another vector than alone. %s", t.ID, t.Group, companyCause(name))
	return f
}

// farthest is the largest difference of two vectors' components: NaN where one
// is.
func farthest(a, b []float32) float64 {
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

func companyCause(name string) string {
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
