package placement

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// badPlacement returns records of models that ran on another provider, and
// records that hide it.
func badPlacement() []check.BadCase {
	return append(badDevices(), []check.BadCase{
		{Name: "all matrix products on another provider", Item: "FLOPs", Spoil: func(c *check.Case) bool {
			applies := false
			return eachRecord(c, func(r *evidence.PlacementRun) {
				costs := c.Graph.Costs[r.Tokens]
				applies = applies || check.TotalCost(costs) > 0
				for k, e := range r.Events {
					if _, product := products[e.Op]; product || compiled(e) {
						r.Events[k].EP = unknownEP
					}
				}
				for k, g := range r.Assigned {
					if slices.ContainsFunc(g.Nodes, func(n providers.Node) bool { return costs[n.Name] > 0 }) {
						r.Assigned[k].EP = unknownEP
					}
				}
			}) && applies
		}},
		{Name: "a provider that ran nothing", Item: "FLOPs", Spoil: moveAllNodes},
		{Name: "one small operator on another provider", Item: "elsewhere", Spoil: func(c *check.Case) bool {
			limits := c.Policy.Providers[c.Evidence.Provider].Placement
			op := "Softmax"
			for i := 0; slices.Contains(limits.AllowedFallback, op); i++ {
				op = fmt.Sprintf("Softmax%d", i)
			}
			return eachRecord(c, func(r *evidence.PlacementRun) {
				r.Events = append(r.Events, providers.NodeEvent{Name: "softmax", Op: op, EP: unknownEP, Runs: r.Events[0].Runs, NS: 1})
			})
		}},
		{Name: "nodes given to another provider", Item: "nodes", Spoil: func(c *check.Case) bool {
			limits := c.Policy.Providers[c.Evidence.Provider].Placement
			return limits.MinNodes != nil && moveAllNodes(c)
		}},
		{Name: "time spent on another provider", Item: "time", Spoil: func(c *check.Case) bool {
			limits := c.Policy.Providers[c.Evidence.Provider].Placement
			return limits.MinTime != nil && eachRecord(c, func(r *evidence.PlacementRun) {
				total := int64(1)
				for _, e := range r.Events {
					total += e.NS
				}
				r.Events = append(r.Events, providers.NodeEvent{
					Name: "wait", Op: "Wait", EP: unknownEP, Runs: r.Events[0].Runs, NS: int64(float64(total) * (2 / *limits.MinTime)),
				})
			})
		}},
		{Name: "no record", Item: "record", Spoil: func(c *check.Case) bool {
			c.Evidence.Placement = nil
			return true
		}},
		{Name: "an empty record", Item: "record", Spoil: func(c *check.Case) bool {
			return eachRecord(c, func(r *evidence.PlacementRun) { r.Assigned, r.Events = nil, nil })
		}},
		{Name: "half of the nodes left out", Item: "record", Spoil: func(c *check.Case) bool {
			applies := false
			return eachRecord(c, func(r *evidence.PlacementRun) {
				costs := c.Graph.Costs[r.Tokens]
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
		{Name: "the record of another graph", Item: "record", Spoil: func(c *check.Case) bool {
			applies := false
			return eachRecord(c, func(r *evidence.PlacementRun) {
				for n, cost := range c.Graph.Costs[r.Tokens] {
					applies = applies || cost > 0 && !isGeneratedName(n)
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
		{Name: "one node's record replaced by another's", Item: "record", Spoil: func(c *check.Case) bool {
			applies := false
			return eachRecord(c, func(r *evidence.PlacementRun) {
				var products []int
				for k, e := range r.Events {
					if c.Graph.Costs[r.Tokens][e.Name] > 0 && !compiled(e) && !isGeneratedName(e.Name) {
						products = append(products, k)
					}
				}
				if len(products) > 1 {
					applies = true
					r.Events[products[1]].Name = r.Events[products[0]].Name
				}
			}) && applies
		}},
		{Name: "a record of another length", Item: "record", Spoil: func(c *check.Case) bool {
			if len(c.Evidence.Placement) == 0 {
				return false
			}
			c.Evidence.Placement[0].Tokens++
			return true
		}},
		{Name: "a length recorded twice", Item: "record", Spoil: func(c *check.Case) bool {
			if len(c.Evidence.Placement) == 0 {
				return false
			}
			c.Evidence.Placement = append(c.Evidence.Placement, c.Evidence.Placement[0])
			return true
		}},
		{Name: "a node that never ran", Item: "record", Spoil: func(c *check.Case) bool {
			return eachRecord(c, func(r *evidence.PlacementRun) { r.Events[0].Runs = 0 })
		}},
	}...)
}

// unknownEP is a provider that no catalogue has.
const unknownEP = "SilentFallbackExecutionProvider"

func eachRecord(c *check.Case, spoil func(*evidence.PlacementRun)) bool {
	for i := range c.Evidence.Placement {
		if len(c.Evidence.Placement[i].Events) == 0 {
			return false
		}
		spoil(&c.Evidence.Placement[i])
	}
	return len(c.Evidence.Placement) > 0
}

func moveAllNodes(c *check.Case) bool {
	return eachRecord(c, func(r *evidence.PlacementRun) {
		for k := range r.Events {
			r.Events[k].EP = unknownEP
		}
		for k := range r.Assigned {
			r.Assigned[k].EP = unknownEP
		}
	})
}
