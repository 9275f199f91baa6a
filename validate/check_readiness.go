package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const readinessName = "readiness"

// readinessCheck refuses, on any machine, a file of which a provider is
// predicted to take only a part. It needs no evidence.
func readinessCheck() check {
	return check{
		name: readinessName, static: true,
		applies: func(c gateCase) bool {
			_, ok := c.graph.Predicted[c.evidence.Provider]
			return ok
		},
		holds: func(Evidence) bool { return true },
		judge: judgeReadiness,
		bad: []badCase{
			{name: "a node that the provider does not take", item: "predicted", spoil: func(c *gateCase) bool {
				return predictedAs(c, func(p *Prediction) {
					p.Elsewhere = []Refusal{{"indices", "GatherND", "its indices are computed"}}
				})
			}},
			{name: "a model in two pieces", item: "predicted", spoil: func(c *gateCase) bool {
				return predictedAs(c, func(p *Prediction) { p.Partitions = 2 })
			}},
		},
	}
}

func predictedAs(c *gateCase, spoil func(*Prediction)) bool {
	p, ok := c.graph.Predicted[c.evidence.Provider]
	if ok {
		spoil(&p)
		c.graph.Predicted = maps.Clone(c.graph.Predicted)
		c.graph.Predicted[c.evidence.Provider] = p
	}
	return ok
}

func judgeReadiness(c gateCase) opinion {
	p := c.graph.Predicted[c.evidence.Provider]
	f := Finding{
		Check: readinessName, Item: "predicted", Result: Pass, Measured: "one piece of " + plural(p.Nodes, "node", "nodes"),
		Threshold: "one piece, every node in it", Value: float64(len(p.Elsewhere)),
	}
	if p.Partitions == 1 && len(p.Elsewhere) == 0 {
		return opinion{findings: []Finding{f}}
	}
	f.Result = Fail
	f.Measured = plural(p.Partitions, "piece", "pieces")
	if n := len(p.Elsewhere); n > 0 {
		f.Measured += ", and " + plural(n, "node", "nodes") + " elsewhere: " + refusedOps(p.Elsewhere)
	}
	var why []string
	for _, r := range p.Elsewhere[:min(len(p.Elsewhere), 3)] {
		why = append(why, fmt.Sprintf("%s (%s): %s", clip(r.Node), clip(r.Op), clip(r.Reason)))
	}
	f.Next = fmt.Sprintf("By its operators, %s would not take this file whole, and what it leaves runs on the CPU with copies between. Export it without these operators, or take the variant off providers.%s.variants; `embedgate inspect --for %s` lists every node.",
		c.evidence.Provider, c.evidence.Provider, c.evidence.Provider)
	if len(why) > 0 {
		f.Next = strings.Join(why, "; ") + ". " + f.Next
	}
	return opinion{findings: []Finding{f}}
}

// refusedOps counts refusals by operator: "GatherND, Cast ×2".
func refusedOps(all []Refusal) string {
	count := map[string]int{}
	for _, r := range all {
		count[r.Op]++
	}
	var names []string
	for _, op := range slices.Sorted(maps.Keys(count)) {
		if n := count[op]; n > 1 {
			names = append(names, fmt.Sprintf("%s ×%d", clip(op), n))
		} else {
			names = append(names, clip(op))
		}
	}
	return firstOf(names, 4)
}
