package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// A provider may compile its nodes for several devices, one of which is the
// CPU. The runtime's record then says that the provider ran them; only the
// device plan of the provider's own compiler says which device computed them.

// plannedProducts are the operations of a device plan that multiply matrices,
// by CoreML's names without the version before them, and the number of products
// of the graph that each one replaces.
var plannedProducts = map[string]int{
	"linear": 1, "matmul": 1, "einsum": 1, "conv": 1, "scaled_dot_product_attention": 2,
}

func productsOf(op providers.PlannedOp) int {
	return plannedProducts[op.Op[strings.LastIndexByte(op.Op, '.')+1:]]
}

// devicePlanProblems returns what is wrong with a device plan. It must be there
// exactly where the provider makes one, and must hold each product of matrices
// that was assigned to the provider, which the runtime calls ep.
func devicePlanProblems(c check.Case, ep string) (p check.Problems) {
	e, _ := providers.Lookup(c.Evidence.Provider)
	ops := c.Evidence.Planned
	switch {
	case e.Plan == nil && len(ops) > 0:
		p.Add("a plan of devices, which %s does not make", text.Clip(c.Evidence.Provider))
	case len(ops) > maxRecorded:
		p.Add("a plan of %d operations", len(ops))
	}
	if e.Plan == nil || len(p) > 0 {
		return p
	}
	if check.DevicesWanted(c, c.Evidence.Provider, c.Evidence.Variant) == nil {
		p.Add("option %s names no known device", e.Plan.Option)
	}
	planned := 0
	for _, op := range ops {
		if op.Op == "" || !slices.Contains(providers.Devices, op.Device) || !(op.Cost >= 0) || op.Cost > 1e6 {
			p.Add("an operation %q planned for %q at a cost of %v", text.Clip(op.Op), text.Clip(op.Device), op.Cost)
		}
		planned += productsOf(op)
	}
	for _, r := range c.Evidence.Placement {
		if given := productsGiven(r, ep); planned < given {
			p.Add("%s: %s was given %s of matrices, and its plan of devices has %d",
				evidence.LatencyPoint{Tokens: r.Tokens, Batch: 1}.Label(), c.Evidence.Provider, text.Plural(given, "product", "products"), planned)
		}
	}
	return p
}

// productsGiven counts the products of matrices that were assigned to ep.
func productsGiven(r evidence.PlacementRun, ep string) (n int) {
	for _, g := range r.Assigned {
		for _, node := range g.Nodes {
			if _, product := products[node.Op]; product && g.EP == ep {
				n++
			}
		}
	}
	return n
}

// devices judges to which devices a provider's compiler assigned the products
// of matrices. Each has the cost that the compiler estimates as its weight;
// where there are no estimates all have the same weight.
func (j placementJudge) devices() []verdict.Finding {
	wanted := check.DevicesWanted(j.c, j.c.Evidence.Provider, j.c.Evidence.Variant)
	if wanted == nil {
		return nil
	}
	var ops []providers.PlannedOp
	for _, op := range j.c.Evidence.Planned {
		if productsOf(op) > 0 {
			ops = append(ops, op)
		}
	}
	what := text.Plural(len(ops), "product", "products") + " of matrices"
	if len(ops) == 0 {
		ops = j.c.Evidence.Planned
		what = text.Plural(len(ops), "operation", "operations")
	}
	cost := func(op providers.PlannedOp) float64 { return op.Cost }
	if !slices.ContainsFunc(ops, func(op providers.PlannedOp) bool { return op.Cost > 0 }) {
		cost = func(providers.PlannedOp) float64 { return 1 }
	}
	var all, own float64
	others := map[string]int{}
	for _, op := range ops {
		all += cost(op)
		if slices.Contains(wanted, op.Device) {
			own += cost(op)
		} else {
			others[op.Op+" on "+op.Device]++
		}
	}
	v := ratio(own, all)
	f := verdict.Finding{
		Check: "placement", Item: "devices", Result: verdict.Pass, Value: check.Rounded(v),
		Measured:  fmt.Sprintf("%s of %s on %s", text.Percent(v), what, strings.Join(wanted, " or ")),
		Threshold: "≥ " + text.Percent(*j.limits.MinFLOPs),
	}
	if v >= *j.limits.MinFLOPs {
		return []verdict.Finding{f}
	}
	var names []string
	for name, n := range others {
		names = append(names, fmt.Sprintf("%s ×%d", text.Clip(name), n))
	}
	slices.Sort(names)
	f.Result = verdict.Fail
	f.Next = fmt.Sprintf("%s took the nodes, and its own compiler planned %s. Look at which devices this machine has and which data types they support, or measure the provider that really computes.",
		j.c.Evidence.Provider, check.FirstOf(names, 4))
	return []verdict.Finding{f}
}

// badDevices returns device plans of providers that computed on another device
// than the wanted one, and plans that hide it.
func badDevices() []check.BadCase {
	planned := func(spoil func(*check.Case, []string)) func(*check.Case) bool {
		return func(c *check.Case) bool {
			wanted := check.DevicesWanted(*c, c.Evidence.Provider, c.Evidence.Variant)
			if wanted == nil || len(c.Evidence.Planned) == 0 {
				return false
			}
			spoil(c, wanted)
			return true
		}
	}
	return []check.BadCase{
		{Name: "planned for another device, such as the CPU", Item: "devices", Spoil: planned(func(c *check.Case, wanted []string) {
			for i := range c.Evidence.Planned {
				c.Evidence.Planned[i].Device = otherDevice(wanted)
			}
		})},
		{Name: "no plan of devices", Item: "record", Spoil: planned(func(c *check.Case, _ []string) { c.Evidence.Planned = nil })},
		{Name: "a plan of devices without its products", Item: "record", Spoil: func(c *check.Case) bool {
			ep := check.ExecutionProvider(c.Evidence.Provider)
			if !slices.ContainsFunc(c.Evidence.Placement, func(r evidence.PlacementRun) bool { return productsGiven(r, ep) > 0 }) {
				return false
			}
			return planned(func(c *check.Case, _ []string) {
				c.Evidence.Planned = slices.DeleteFunc(c.Evidence.Planned, func(op providers.PlannedOp) bool { return productsOf(op) > 0 })
			})(c)
		}},
	}
}

// otherDevice returns a device that is not wanted: the CPU where possible.
func otherDevice(wanted []string) string {
	for _, d := range providers.Devices {
		if !slices.Contains(wanted, d) {
			return d
		}
	}
	return "none"
}
