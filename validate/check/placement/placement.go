package placement

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Check proves from the runtime's own record of where each node ran that the
// provider did the work.
func Check() check.Check {
	return check.Check{
		Name: "placement",
		// After a crash the record is not complete.
		HasData:     func(evidence.Evidence) bool { return false },
		UsesNumbers: true,
		Judge:       judgePlacement,
		KnownBad:    badPlacement(),
	}
}

func judgePlacement(c check.Case) check.Result {
	limits := c.Policy.Providers[c.Evidence.Provider].Placement
	if limits == nil || limits.MinFLOPs == nil {
		return check.Result{Findings: []verdict.Finding{{
			Check: "placement", Item: "threshold", Result: verdict.Fail, Measured: "none", Threshold: "a share of FLOPs",
			Next: fmt.Sprintf("Add providers.%s.placement.min_flops to the policy; a gate without a threshold proves nothing.", text.Clip(c.Evidence.Provider)),
		}}}
	}
	all, record := recordOf(c)
	o := check.Result{Findings: []verdict.Finding{record}}
	if record.Result != verdict.Pass {
		return o
	}
	j := placementJudge{c, *limits, all}
	o.Findings = append(o.Findings, j.share("FLOPs", limits.MinFLOPs, shares.flopsShare))
	if limits.MinNodes != nil {
		o.Findings = append(o.Findings, j.share("nodes", limits.MinNodes, func(s shares) float64 { return s.nodeShare }))
	}
	if limits.MinTime != nil {
		o.Findings = append(o.Findings, j.share("time", limits.MinTime, func(s shares) float64 { return s.timeShare }))
	}
	o.Findings = append(o.Findings, j.fallbackFinding())
	o.Findings = append(o.Findings, j.devices()...)
	for _, s := range all {
		summary := verdict.PlacementSummary{
			Tokens: s.tokens, Nodes: s.nodes, NodeShare: check.Rounded(s.nodeShare), FLOPs: check.Rounded(s.flops),
			FLOPsShare: check.Rounded(s.flopsShare()), TimeShare: check.Rounded(s.timeShare),
		}
		for _, k := range s.sortedFallbacks() {
			summary.Elsewhere = append(summary.Elsewhere, s.describe(k))
		}
		o.Placement = append(o.Placement, summary)
	}
	return o
}

// agreement is the largest relative difference between the FLOPs of a record
// and those of the graph. Both count the same products of matrices exactly; an
// optimizer that removes a product may cause the difference.
const agreement = 0.01

// recordOf proves that the record is complete: each planned length once,
// possible numbers, and all of the graph's FLOPs in it. Nodes that are left out
// may have run anywhere.
func recordOf(c check.Case) ([]shares, verdict.Finding) {
	var p check.Problems
	var all []shares
	ep := check.ExecutionProvider(c.Evidence.Provider)
	switch {
	case ep == "":
		p.Add("the catalogue has no provider %q", text.Clip(c.Evidence.Provider))
	case c.Graph.CostErr != nil:
		p.Add("the graph's arithmetic cannot be counted: %s", text.Clip(c.Graph.CostErr.Error()))
	case len(c.Plan.Recorded) == 0:
		p.Add("no length was planned")
	}
	for _, tokens := range c.Plan.Recorded {
		at := evidence.LatencyPoint{Tokens: tokens, Batch: 1}.Label()
		r := recordOfLength(c.Evidence.Placement, tokens)
		if r == nil {
			p.Add("%s: not one record", at)
			continue
		}
		costs, known := c.Graph.Costs[tokens]
		if !known {
			p.Add("%s: the graph's own arithmetic is not known", at)
			continue
		}
		bad := recordProblems(*r)
		var s shares
		if len(bad) == 0 {
			s, bad = sharesOf(*r, ep, costs)
		}
		if len(bad) > 0 {
			p = append(p, bad...)
			continue
		}
		if want := check.TotalCost(costs); math.Abs(s.flops-want) > agreement*want {
			p.Add("%s: the record has %s of the graph's %s FLOPs", at, check.Number(s.flops), check.Number(want))
		}
		p = append(p, namesOf(*r, costs)...)
		all = append(all, s)
	}
	for _, r := range c.Evidence.Placement {
		if !slices.Contains(c.Plan.Recorded, r.Tokens) {
			p.Add("a record of %d tokens, which was not planned", r.Tokens)
		}
	}
	p = append(p, devicePlanProblems(c, ep)...)
	return all, p.Finding(verdict.Finding{
		Check: "placement", Item: "record", Measured: text.Plural(len(all), "length", "lengths") + ", all of the graph's FLOPs in each",
		Threshold: "each planned length once, with every node of this graph",
		Next:      "Measure again, whole, with a runtime that records its placement; nodes that are not in the record may have run anywhere.",
	})
}

// placementJudge compares the shares of every length with the policy.
type placementJudge struct {
	c      check.Case
	limits policy.Placement
	all    []shares
}

// share judges the length with the smallest share.
func (j placementJudge) share(item string, limit *float64, of func(shares) float64) verdict.Finding {
	worst := j.all[0]
	for _, s := range j.all[1:] {
		if of(s) < of(worst) {
			worst = s
		}
	}
	v := of(worst)
	f := verdict.Finding{
		Check: "placement", Item: item, Result: verdict.Pass, Measured: text.Percent(v) + " on " + check.ExecutionProvider(j.c.Evidence.Provider),
		Threshold: "≥ " + text.Percent(*limit), Value: check.Rounded(v),
	}
	// A sum of shares that should be one may round below it.
	if !(v >= *limit-1e-12) {
		f.Result = verdict.Fail
		f.Measured += " at " + evidence.LatencyPoint{Tokens: worst.tokens, Batch: 1}.Label()
		f.Next = j.fallbackAdvice(worst)
	}
	return f
}

// fallbackAdvice names the operators that ran on another provider, products of
// matrices first.
func (j placementJudge) fallbackAdvice(s shares) string {
	names := make([]string, 0, 4)
	strayed := s.sortedFallbacks()
	slices.SortStableFunc(strayed, func(a, b fallback) int {
		_, productA := products[a.op]
		_, productB := products[b.op]
		switch {
		case productA == productB:
			return 0
		case productA:
			return -1
		}
		return 1
	})
	for i, k := range strayed {
		if i == 4 {
			names = append(names, fmt.Sprintf("%d more operators", len(strayed)-i))
			break
		}
		names = append(names, s.describe(k))
	}
	if s.ownFLOPs == 0 && s.ownNodes == 0 {
		return fmt.Sprintf("%s reports itself available and ran nothing: %s. It fell back without an error; look at the driver, the device and the runtime's build with `embedgate doctor`.",
			j.c.Evidence.Provider, strings.Join(names, ", "))
	}
	return fmt.Sprintf("Part of the model fell back: %s. Look at which operators the provider supports, change the export so that it needs no others, or set strict so that opening fails.", strings.Join(names, ", "))
}

// fallbackFinding judges every operator that ran on another provider, however
// small its share: the policy must list each of them.
func (j placementJudge) fallbackFinding() verdict.Finding {
	f := verdict.Finding{Check: "placement", Item: "elsewhere", Result: verdict.Pass, Measured: "nothing", Threshold: "nothing"}
	if len(j.limits.AllowedFallback) > 0 {
		f.Threshold = "no operator but " + strings.Join(j.limits.AllowedFallback, ", ")
	}
	var allowed []string
	var bad, nodes []string
	for _, s := range j.all {
		for _, k := range s.sortedFallbacks() {
			word := s.describe(k)
			switch {
			case slices.Contains(j.limits.AllowedFallback, k.op):
				if !slices.Contains(allowed, word) {
					allowed = append(allowed, word)
				}
			case !slices.Contains(bad, word):
				bad = append(bad, word)
				nodes = append(nodes, s.fallbacks[k].names...)
			}
		}
	}
	if len(bad) == 0 {
		if len(allowed) > 0 {
			f.Measured = strings.Join(allowed, ", ")
		}
		return f
	}
	f.Result, f.Value = verdict.Fail, float64(len(bad))
	f.Measured = check.FirstOf(bad, 4)
	slices.Sort(nodes)
	f.Next = fmt.Sprintf("These operators ran on another provider than %s and the policy does not allow it (nodes %s). Change the export so that the provider takes them, or, if it is right that they run there, add them to providers.%s.placement.allowed_fallback.",
		j.c.Evidence.Provider, text.Clip(check.FirstOf(slices.Compact(nodes), 4)), j.c.Evidence.Provider)
	return f
}
