package validate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/pipeline/policy"
)

// placementCheck proves that the provider that claims the work did it: by the
// runtime's own record of where each node ran.
func placementCheck() check {
	return check{
		name: "placement",
		// A record that a crash cut short tells of less than the whole.
		holds:   func(Evidence) bool { return false },
		studies: true,
		judge:   judgePlacement,
		bad:     badPlacement(),
	}
}

func judgePlacement(c gateCase) opinion {
	limits := c.policy.Providers[c.evidence.Provider].Placement
	if limits == nil || limits.MinFLOPs == nil {
		return opinion{findings: []Finding{{
			Check: "placement", Item: "threshold", Result: Fail, Measured: "none", Threshold: "a share of FLOPs",
			Next: fmt.Sprintf("Add providers.%s.placement.min_flops to the policy; a gate without a threshold proves nothing.", clip(c.evidence.Provider)),
		}}}
	}
	all, record := recordOf(c)
	o := opinion{findings: []Finding{record}}
	if record.Result != Pass {
		return o
	}
	j := placementJudge{c, *limits, all}
	o.findings = append(o.findings, j.share("FLOPs", limits.MinFLOPs, shares.flopsShare))
	if limits.MinNodes != nil {
		o.findings = append(o.findings, j.share("nodes", limits.MinNodes, func(s shares) float64 { return s.nodeShare }))
	}
	if limits.MinTime != nil {
		o.findings = append(o.findings, j.share("time", limits.MinTime, func(s shares) float64 { return s.time }))
	}
	o.findings = append(o.findings, j.elsewhere())
	o.findings = append(o.findings, j.devices()...)
	for _, s := range all {
		summary := PlacementSummary{
			Tokens: s.tokens, Nodes: s.nodes, NodeShare: settled(s.nodeShare), FLOPs: settled(s.flops),
			FLOPsShare: settled(s.flopsShare()), TimeShare: settled(s.time),
		}
		for _, k := range s.strayed() {
			summary.Elsewhere = append(summary.Elsewhere, s.ranElsewhere(k))
		}
		o.placement = append(o.placement, summary)
	}
	return o
}

// agreement is how far a record's arithmetic may lie from the graph's. Both
// count the same matrix products exactly; an optimizer that folds a product
// away may make up the rest. What is missing can hide no more than this.
const agreement = 0.01

// recordOf proves that the record is whole: each planned length once, numbers
// that can be, and all of the graph's arithmetic in it. Nodes that were left
// out may have run anywhere.
func recordOf(c gateCase) ([]shares, Finding) {
	var p problems
	var all []shares
	ep := executionProvider(c.evidence.Provider)
	switch {
	case ep == "":
		p.add("the catalogue has no provider %q", clip(c.evidence.Provider))
	case c.graph.CostErr != nil:
		p.add("the graph's arithmetic cannot be counted: %s", clip(c.graph.CostErr.Error()))
	case len(c.plan.Recorded) == 0:
		p.add("no length was planned")
	}
	for _, tokens := range c.plan.Recorded {
		at := LatencyPoint{tokens, 1}.Label()
		r := planned(c.evidence.Placement, tokens)
		if r == nil {
			p.add("%s: not one record", at)
			continue
		}
		costs, known := c.graph.Costs[tokens]
		if !known {
			p.add("%s: the graph's own arithmetic is not known", at)
			continue
		}
		bad := possible(*r)
		var s shares
		if len(bad) == 0 {
			s, bad = sharesOf(*r, ep, costs)
		}
		if len(bad) > 0 {
			p = append(p, bad...)
			continue
		}
		if want := totalCost(costs); math.Abs(s.flops-want) > agreement*want {
			p.add("%s: the record has %s of the graph's %s FLOPs", at, number(s.flops), number(want))
		}
		p = append(p, namesOf(*r, costs)...)
		all = append(all, s)
	}
	for _, r := range c.evidence.Placement {
		if !slices.Contains(c.plan.Recorded, r.Tokens) {
			p.add("a record of %d tokens, which nobody planned", r.Tokens)
		}
	}
	p = append(p, unplanned(c, ep)...)
	return all, p.finding(Finding{
		Check: "placement", Item: "record", Measured: plural(len(all), "length", "lengths") + ", all of the graph's FLOPs in each",
		Threshold: "each planned length once, with every node of this graph",
		Next:      "Measure again, whole, with a runtime that records its placement; nodes that are not in the record may have run anywhere.",
	})
}

// placementJudge holds the shares of every length against the policy.
type placementJudge struct {
	c      gateCase
	limits policy.Placement
	all    []shares
}

// share judges the length that has the least.
func (j placementJudge) share(item string, limit *float64, of func(shares) float64) Finding {
	worst := j.all[0]
	for _, s := range j.all[1:] {
		if of(s) < of(worst) {
			worst = s
		}
	}
	v := of(worst)
	f := Finding{
		Check: "placement", Item: item, Result: Pass, Measured: portion(v) + " on " + executionProvider(j.c.evidence.Provider),
		Threshold: "≥ " + portion(*limit), Value: settled(v),
	}
	// A sum of shares that are all the provider's may round below one.
	if !(v >= *limit-1e-12) {
		f.Result = Fail
		f.Measured += " at " + LatencyPoint{worst.tokens, 1}.Label()
		f.Next = j.fellBack(worst)
	}
	return f
}

// portion never rounds up to a limit that is missed.
func portion(v float64) string { return fmt.Sprintf("%.2f %%", math.Floor(1e4*v+1e-9)/100) }

// fellBack names what ran elsewhere, the most arithmetic first.
func (j placementJudge) fellBack(s shares) string {
	names := make([]string, 0, 4)
	strayed := s.strayed()
	slices.SortStableFunc(strayed, func(a, b stray) int {
		_, pa := products[a.op]
		_, pb := products[b.op]
		return boolRank(pb) - boolRank(pa)
	})
	for i, k := range strayed {
		if i == 4 {
			names = append(names, fmt.Sprintf("%d more operators", len(strayed)-i))
			break
		}
		names = append(names, s.ranElsewhere(k))
	}
	if s.mine == 0 && s.here == 0 {
		return fmt.Sprintf("%s reports itself available and ran nothing: %s. It fell back in silence; look at the driver, the device and the runtime's build with `embedgate doctor`.",
			j.c.evidence.Provider, strings.Join(names, ", "))
	}
	return fmt.Sprintf("Part of the model fell back: %s. Look at which operators the provider supports, change the export so that it needs no others, or set strict so that opening fails.", strings.Join(names, ", "))
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// elsewhere judges every operator that ran on another provider, however small
// its share: the list in the policy is exact.
func (j placementJudge) elsewhere() Finding {
	f := Finding{Check: "placement", Item: "elsewhere", Result: Pass, Measured: "nothing", Threshold: "nothing"}
	if len(j.limits.Elsewhere) > 0 {
		f.Threshold = "no operator but " + strings.Join(j.limits.Elsewhere, ", ")
	}
	var allowed []string
	var bad, nodes []string
	for _, s := range j.all {
		for _, k := range s.strayed() {
			word := s.ranElsewhere(k)
			switch {
			case slices.Contains(j.limits.Elsewhere, k.op):
				if !slices.Contains(allowed, word) {
					allowed = append(allowed, word)
				}
			case !slices.Contains(bad, word):
				bad = append(bad, word)
				nodes = append(nodes, s.elsewhere[k].names...)
			}
		}
	}
	if len(bad) == 0 {
		if len(allowed) > 0 {
			f.Measured = strings.Join(allowed, ", ")
		}
		return f
	}
	f.Result, f.Value = Fail, float64(len(bad))
	f.Measured = firstOf(bad, 4)
	slices.Sort(nodes)
	f.Next = fmt.Sprintf("These operators ran on another provider than %s and the policy does not allow it (nodes %s). Change the export so that the provider takes them, or, if it is right that they run there, add them to providers.%s.placement.elsewhere.",
		j.c.evidence.Provider, clip(firstOf(slices.Compact(nodes), 4)), j.c.evidence.Provider)
	return f
}

// firstOf joins at most n names and counts the rest.
func firstOf(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
}
