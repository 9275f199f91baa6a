package binding

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const readinessName = "readiness"

// Readiness refuses, on any machine, a file that a provider is predicted to run
// only in part. It needs no evidence.
func Readiness() check.Check {
	return check.Check{
		Name: readinessName, Static: true,
		Applies: func(c check.Case) bool {
			_, ok := c.Graph.Predicted[c.Evidence.Provider]
			return ok
		},
		HasData: func(evidence.Evidence) bool { return true },
		Judge:   judgeReadiness,
		KnownBad: []check.BadCase{
			{Name: "a node that the provider does not take", Item: "predicted", Spoil: func(c *check.Case) bool {
				return predictedAs(c, func(p *check.Prediction) {
					p.Refused = []check.Refusal{{Node: "indices", Op: "GatherND", Reason: "its indices are computed"}}
				})
			}},
			{Name: "a model in two pieces", Item: "predicted", Spoil: func(c *check.Case) bool {
				return predictedAs(c, func(p *check.Prediction) { p.Partitions = 2 })
			}},
		},
	}
}

// predictedAs changes the prediction for the case's provider. It returns false
// where there is none.
func predictedAs(c *check.Case, spoil func(*check.Prediction)) bool {
	p, ok := c.Graph.Predicted[c.Evidence.Provider]
	if ok {
		spoil(&p)
		c.Graph.Predicted = maps.Clone(c.Graph.Predicted)
		c.Graph.Predicted[c.Evidence.Provider] = p
	}
	return ok
}

func judgeReadiness(c check.Case) check.Result {
	p := c.Graph.Predicted[c.Evidence.Provider]
	f := verdict.Finding{
		Check: readinessName, Item: "predicted", Result: verdict.Pass, Measured: "one piece of " + text.Plural(p.Nodes, "node", "nodes"),
		Threshold: "one piece, every node in it", Value: float64(len(p.Refused)),
	}
	if p.Partitions == 1 && len(p.Refused) == 0 {
		return check.Result{Findings: []verdict.Finding{f}}
	}
	f.Result = verdict.Fail
	f.Measured = text.Plural(p.Partitions, "piece", "pieces")
	if n := len(p.Refused); n > 0 {
		f.Measured += ", and " + text.Plural(n, "node", "nodes") + " elsewhere: " + refusedOps(p.Refused)
	}
	var why []string
	for _, r := range p.Refused[:min(len(p.Refused), 3)] {
		why = append(why, fmt.Sprintf("%s (%s): %s", text.Clip(r.Node), text.Clip(r.Op), text.Clip(r.Reason)))
	}
	f.Next = fmt.Sprintf("By its operators, %s would not take this file whole, and what it leaves runs on the CPU with copies between. Export it without these operators, or take the variant off providers.%s.variants; `embedgate inspect --for %s` lists every node.",
		c.Evidence.Provider, c.Evidence.Provider, c.Evidence.Provider)
	if len(why) > 0 {
		f.Next = strings.Join(why, "; ") + ". " + f.Next
	}
	return check.Result{Findings: []verdict.Finding{f}}
}

// refusedOps counts refusals by operator: "GatherND, Cast ×2".
func refusedOps(all []check.Refusal) string {
	count := map[string]int{}
	for _, r := range all {
		count[r.Op]++
	}
	var names []string
	for _, op := range slices.Sorted(maps.Keys(count)) {
		if n := count[op]; n > 1 {
			names = append(names, fmt.Sprintf("%s ×%d", text.Clip(op), n))
		} else {
			names = append(names, text.Clip(op))
		}
	}
	return check.FirstOf(names, 4)
}
