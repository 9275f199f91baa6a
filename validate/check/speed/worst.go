package speed

import (
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/verdict"
)

// worstCase judges the largest value of several processes against one budget:
// a mean would hide the launch that a user waits for.
type worstCase[T any] struct {
	check, item string
	all         []T
	value       func(T) int64 // in the unit of budget
	budget      int64
	format      func(int64) string
	adjective   string         // "worst", before "of 3 launches"
	one, many   string         // what all counts: "launch", "launches"
	missing     string         // the next step where all is empty
	next        func(T) string // the next step where the worst is over the budget
}

func (w worstCase[T]) judge() check.Result {
	f := verdict.Finding{Check: w.check, Item: w.item, Result: verdict.Fail, Threshold: "≤ " + w.format(w.budget)}
	if len(w.all) == 0 {
		f.Measured, f.Next = "no "+w.one, w.missing
		return check.Result{Findings: []verdict.Finding{f}}
	}
	var worst T
	for _, one := range w.all {
		if w.value(one) >= w.value(worst) {
			worst = one
		}
	}
	value := w.value(worst)
	f.Value, f.Measured = float64(value), w.format(value)
	if value <= 0 || value > w.budget {
		f.Next = w.next(worst)
	} else {
		f.Result = verdict.Pass
		f.Sure = w.adjective + " of " + text.Plural(len(w.all), w.one, w.many)
	}
	return check.Result{Findings: []verdict.Finding{f}}
}
