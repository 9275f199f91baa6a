package validate

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/providers"
)

// badPlacement is records of models that did not run where they should have,
// and records that hide it.
func badPlacement() []badCase {
	return append(badDevices(), []badCase{
		{name: "all matrix products on another provider", item: "FLOPs", spoil: func(c *gateCase) bool {
			applies := false
			return eachRecord(c, func(r *PlacementRun) {
				costs := c.graph.Costs[r.Tokens]
				applies = applies || totalCost(costs) > 0
				for k, e := range r.Events {
					if _, product := products[e.Op]; product || compiled(e) {
						r.Events[k].EP = strangeEP
					}
				}
				for k, g := range r.Assigned {
					if slices.ContainsFunc(g.Nodes, func(n providers.Node) bool { return costs[n.Name] > 0 }) {
						r.Assigned[k].EP = strangeEP
					}
				}
			}) && applies
		}},
		{name: "available, and nothing ran there", item: "FLOPs", spoil: nothingRanThere},
		{name: "one small operator elsewhere", item: "elsewhere", spoil: func(c *gateCase) bool {
			limits := c.policy.Providers[c.evidence.Provider].Placement
			op := "Softmax"
			for i := 0; slices.Contains(limits.Elsewhere, op); i++ {
				op = fmt.Sprintf("Softmax%d", i)
			}
			return eachRecord(c, func(r *PlacementRun) {
				r.Events = append(r.Events, providers.NodeEvent{Name: "softmax", Op: op, EP: strangeEP, Runs: r.Events[0].Runs, NS: 1})
			})
		}},
		{name: "nodes given to another provider", item: "nodes", spoil: func(c *gateCase) bool {
			limits := c.policy.Providers[c.evidence.Provider].Placement
			return limits.MinNodes != nil && nothingRanThere(c)
		}},
		{name: "time spent on another provider", item: "time", spoil: func(c *gateCase) bool {
			limits := c.policy.Providers[c.evidence.Provider].Placement
			return limits.MinTime != nil && eachRecord(c, func(r *PlacementRun) {
				total := int64(1)
				for _, e := range r.Events {
					total += e.NS
				}
				r.Events = append(r.Events, providers.NodeEvent{
					Name: "wait", Op: "Wait", EP: strangeEP, Runs: r.Events[0].Runs, NS: int64(float64(total) * (2 / *limits.MinTime)),
				})
			})
		}},
		{name: "no record", item: "record", spoil: func(c *gateCase) bool {
			c.evidence.Placement = nil
			return true
		}},
		{name: "an empty record", item: "record", spoil: func(c *gateCase) bool {
			return eachRecord(c, func(r *PlacementRun) { r.Assigned, r.Events = nil, nil })
		}},
		{name: "half of the nodes left out", item: "record", spoil: func(c *gateCase) bool {
			applies := false
			return eachRecord(c, func(r *PlacementRun) {
				costs := c.graph.Costs[r.Tokens]
				kept := 0
				drop := func(costly bool) bool {
					if costly {
						kept++
						applies = true
					}
					return costly && kept%2 == 1
				}
				r.Events = slices.DeleteFunc(r.Events, func(e providers.NodeEvent) bool {
					_, product := products[e.Op]
					return drop(product)
				})
				for k := range r.Assigned {
					r.Assigned[k].Nodes = slices.DeleteFunc(r.Assigned[k].Nodes, func(n providers.Node) bool { return drop(costs[n.Name] > 0) })
				}
			}) && applies
		}},
		{name: "the record of another graph", item: "record", spoil: func(c *gateCase) bool {
			applies := false
			return eachRecord(c, func(r *PlacementRun) {
				for n, cost := range c.graph.Costs[r.Tokens] {
					applies = applies || cost > 0 && !made(n)
				}
				for k := range r.Events {
					r.Events[k].Name = "other-" + r.Events[k].Name
				}
				for k := range r.Assigned {
					for i := range r.Assigned[k].Nodes {
						r.Assigned[k].Nodes[i].Name = "other-" + r.Assigned[k].Nodes[i].Name
					}
				}
			}) && applies
		}},
		{name: "one node's record in another's place", item: "record", spoil: func(c *gateCase) bool {
			applies := false
			return eachRecord(c, func(r *PlacementRun) {
				var products []int
				for k, e := range r.Events {
					if c.graph.Costs[r.Tokens][e.Name] > 0 && !compiled(e) && !made(e.Name) {
						products = append(products, k)
					}
				}
				if len(products) > 1 {
					applies = true
					r.Events[products[1]].Name = r.Events[products[0]].Name
				}
			}) && applies
		}},
		{name: "a record of another length", item: "record", spoil: func(c *gateCase) bool {
			if len(c.evidence.Placement) == 0 {
				return false
			}
			c.evidence.Placement[0].Tokens++
			return true
		}},
		{name: "a length recorded twice", item: "record", spoil: func(c *gateCase) bool {
			if len(c.evidence.Placement) == 0 {
				return false
			}
			c.evidence.Placement = append(c.evidence.Placement, c.evidence.Placement[0])
			return true
		}},
		{name: "a node that never ran", item: "record", spoil: func(c *gateCase) bool {
			return eachRecord(c, func(r *PlacementRun) { r.Events[0].Runs = 0 })
		}},
	}...)
}

// strangeEP is no provider of any catalogue.
const strangeEP = "SilentFallbackExecutionProvider"

func eachRecord(c *gateCase, spoil func(*PlacementRun)) bool {
	for i := range c.evidence.Placement {
		if len(c.evidence.Placement[i].Events) == 0 {
			return false
		}
		spoil(&c.evidence.Placement[i])
	}
	return len(c.evidence.Placement) > 0
}

func nothingRanThere(c *gateCase) bool {
	return eachRecord(c, func(r *PlacementRun) {
		for k := range r.Events {
			r.Events[k].EP = strangeEP
		}
		for k := range r.Assigned {
			r.Assigned[k].EP = strangeEP
		}
	})
}

// goodGraph is a graph of a few products of matrices, as large at a length as
// it must be for its cost to differ between lengths.
func goodGraph(lengths []int) Graph {
	g := Graph{Costs: map[int]map[string]float64{}}
	for _, tokens := range lengths {
		g.Costs[tokens] = map[string]float64{}
		for _, n := range goodNodes() {
			g.Costs[tokens][n] = 2 * float64(tokens) * goodWidth * goodWidth
		}
	}
	return g
}

const goodWidth = 8

func goodNodes() []string { return []string{"query", "key", "value", "output"} }

// goodRecord is goodGraph's run on the provider that the runtime calls ep.
func goodRecord(tokens int, ep string) PlacementRun {
	r := PlacementRun{Tokens: tokens}
	shape := [][]int64{{1, int64(tokens), goodWidth}}
	add := func(name, op string) {
		r.Assigned = append(r.Assigned, providers.Subgraph{EP: ep, Nodes: []providers.Node{{Name: name, Op: op}}})
		r.Events = append(r.Events, providers.NodeEvent{Name: name, Op: op, EP: ep, Inputs: shape, Outputs: shape, Runs: 2, NS: 2000})
	}
	for _, n := range goodNodes() {
		add(n, "MatMul")
	}
	add("normalise", "LayerNormalization")
	return r
}
