package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/providers"
)

// A provider may compile its nodes for several devices, of which the CPU is
// one: the runtime's record then says that the provider ran them, and only the
// plan of the provider's own compiler says what computed them.

// plannedProducts are the operations of a plan that multiply matrices, by
// CoreML's names without the version before them, and how many products of the
// graph each stands for.
var plannedProducts = map[string]int{
	"linear": 1, "matmul": 1, "einsum": 1, "conv": 1, "scaled_dot_product_attention": 2,
}

func productsOf(op providers.PlannedOp) int {
	return plannedProducts[op.Op[strings.LastIndexByte(op.Op, '.')+1:]]
}

// devicesWanted are those that the policy has a provider × variant compute on;
// nil where the provider makes no plan of them.
func devicesWanted(c gateCase, provider, variant string) []string {
	e, _ := providers.Lookup(provider)
	return e.PlannedFor(e.OptionsWith(c.policy.OptionsOf(provider, variant)))
}

// unplanned is what a plan of devices lacks: it must be there exactly where the
// provider makes one, and hold each product of matrices that the record says
// the provider, which the runtime calls ep, was given.
func unplanned(c gateCase, ep string) (p problems) {
	e, _ := providers.Lookup(c.evidence.Provider)
	ops := c.evidence.Planned
	switch {
	case e.Plan == nil && len(ops) > 0:
		p.add("a plan of devices, which %s does not make", clip(c.evidence.Provider))
	case len(ops) > maxRecorded:
		p.add("a plan of %d operations", len(ops))
	}
	if e.Plan == nil || len(p) > 0 {
		return p
	}
	if devicesWanted(c, c.evidence.Provider, c.evidence.Variant) == nil {
		p.add("option %s says no devices that are known", e.Plan.Option)
	}
	planned := 0
	for _, op := range ops {
		if op.Op == "" || !slices.Contains(providers.Devices, op.Device) || !(op.Cost >= 0) || op.Cost > 1e6 {
			p.add("an operation %q planned for %q at a cost of %v", clip(op.Op), clip(op.Device), op.Cost)
		}
		planned += productsOf(op)
	}
	for _, r := range c.evidence.Placement {
		if given := productsGiven(r, ep); planned < given {
			p.add("%s: %s was given %s of matrices, and its plan of devices has %d",
				LatencyPoint{r.Tokens, 1}.Label(), c.evidence.Provider, plural(given, "product", "products"), planned)
		}
	}
	return p
}

// productsGiven counts the products of matrices that a record says ep was given.
func productsGiven(r PlacementRun, ep string) (n int) {
	for _, g := range r.Assigned {
		for _, node := range g.Nodes {
			if _, product := products[node.Op]; product && g.EP == ep {
				n++
			}
		}
	}
	return n
}

// devices judges which devices a provider's compiler gave the work to, by the
// products of matrices, as the share of FLOPs is: each is worth the cost that
// the compiler estimates, and where it estimates none they are worth the same.
func (j placementJudge) devices() []Finding {
	wanted := devicesWanted(j.c, j.c.evidence.Provider, j.c.evidence.Variant)
	if wanted == nil {
		return nil
	}
	var ops []providers.PlannedOp
	for _, op := range j.c.evidence.Planned {
		if productsOf(op) > 0 {
			ops = append(ops, op)
		}
	}
	what := plural(len(ops), "product", "products") + " of matrices"
	if len(ops) == 0 {
		ops = j.c.evidence.Planned
		what = plural(len(ops), "operation", "operations")
	}
	cost := func(op providers.PlannedOp) float64 { return op.Cost }
	if !slices.ContainsFunc(ops, func(op providers.PlannedOp) bool { return op.Cost > 0 }) {
		cost = func(providers.PlannedOp) float64 { return 1 }
	}
	var all, mine float64
	strays := map[string]int{}
	for _, op := range ops {
		all += cost(op)
		if slices.Contains(wanted, op.Device) {
			mine += cost(op)
		} else {
			strays[op.Op+" on "+op.Device]++
		}
	}
	v := ratio(mine, all)
	f := Finding{
		Check: "placement", Item: "devices", Result: Pass, Value: settled(v),
		Measured:  fmt.Sprintf("%s of %s on %s", portion(v), what, strings.Join(wanted, " or ")),
		Threshold: "≥ " + portion(*j.limits.MinFLOPs),
	}
	if v >= *j.limits.MinFLOPs {
		return []Finding{f}
	}
	var names []string
	for name, n := range strays {
		names = append(names, fmt.Sprintf("%s ×%d", clip(name), n))
	}
	slices.Sort(names)
	f.Result = Fail
	f.Next = fmt.Sprintf("%s took the nodes, and its own compiler planned %s. Look at which devices this machine has and which data types they take; or claim what runs, by another provider.",
		j.c.evidence.Provider, firstOf(names, 4))
	return []Finding{f}
}

// badDevices is plans of providers that computed on another device than they
// claim, and plans that hide it.
func badDevices() []badCase {
	planned := func(spoil func(*gateCase, []string)) func(*gateCase) bool {
		return func(c *gateCase) bool {
			wanted := devicesWanted(*c, c.evidence.Provider, c.evidence.Variant)
			if wanted == nil || len(c.evidence.Planned) == 0 {
				return false
			}
			spoil(c, wanted)
			return true
		}
	}
	return []badCase{
		{name: "planned for another device, such as the CPU", item: "devices", spoil: planned(func(c *gateCase, wanted []string) {
			for i := range c.evidence.Planned {
				c.evidence.Planned[i].Device = otherThan(wanted)
			}
		})},
		{name: "no plan of devices", item: "record", spoil: planned(func(c *gateCase, _ []string) { c.evidence.Planned = nil })},
		{name: "a plan of devices without its products", item: "record", spoil: func(c *gateCase) bool {
			ep := executionProvider(c.evidence.Provider)
			if !slices.ContainsFunc(c.evidence.Placement, func(r PlacementRun) bool { return productsGiven(r, ep) > 0 }) {
				return false
			}
			return planned(func(c *gateCase, _ []string) {
				c.evidence.Planned = slices.DeleteFunc(c.evidence.Planned, func(op providers.PlannedOp) bool { return productsOf(op) > 0 })
			})(c)
		}},
	}
}

// otherThan is a device that is none of these: the CPU, where it is not wanted.
func otherThan(wanted []string) string {
	for _, d := range providers.Devices {
		if !slices.Contains(wanted, d) {
			return d
		}
	}
	return "none"
}

// goodPlan is goodGraph's plan on the devices that the policy wants.
func goodPlan(c gateCase, provider, variant string) (ops []providers.PlannedOp) {
	wanted := devicesWanted(c, provider, variant)
	if wanted == nil {
		return nil
	}
	for range goodNodes() {
		ops = append(ops, providers.PlannedOp{Op: "ios17.linear", Device: wanted[0], Cost: 0.2})
	}
	return append(ops, providers.PlannedOp{Op: "ios17.layer_norm", Device: wanted[0], Cost: 0.2})
}
