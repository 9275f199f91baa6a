package validate

import (
	"fmt"
	"math"

	"github.com/embedgate/embedgate/pipeline/policy"
)

// parityCheck proves that the vectors are the float64 model's, by the
// thresholds of the variant's precision class.
func parityCheck() check {
	return check{
		name:     "parity",
		portable: true,
		raw:      true,
		holds:    func(e Evidence) bool { return len(e.Raw.Primary) > 0 },
		studies:  true,
		judge:    judgeParity,
		bad:      badParity(),
	}
}

func judgeParity(c gateCase) opinion {
	limits, ok := c.policy.Parity[c.class]
	if !ok || limits.MinCosine == nil {
		return opinion{findings: []Finding{noThreshold("parity", "parity", c)}}
	}
	shape, ok := vectorsOf(c)
	if !ok {
		return opinion{findings: []Finding{shape}}
	}
	topK := 0
	if limits.Rank != nil {
		topK = limits.Rank.TopK
	}
	p := parityJudge{golden: c.golden, figures: parityOf(c.golden, c.evidence.Raw.Primary, topK), limits: limits}
	if saturatesOn(c) {
		p.saturation = fmt.Sprintf("%d of %d columns", c.graph.Saturation.Over, c.graph.Saturation.Columns)
	}
	f := p.figures
	o := opinion{
		findings: append([]Finding{shape}, p.findings()...),
		parity: &ParitySummary{
			Texts: len(c.golden.Texts), MinCosine: settled(f.minCosine), MeanCosine: settled(f.meanCosine), MaxAbs: settled(f.maxAbs),
			WorstText: c.golden.Texts[f.worstCosine].ID, RankTopK: settled(f.neighbours), Spearman: settled(f.spearman),
		},
	}
	return o
}

// vectorsOf proves that there is one finite vector for each text; nothing else
// can be said of others.
func vectorsOf(c gateCase) (Finding, bool) {
	f := Finding{Check: "parity", Item: "vectors", Threshold: fmt.Sprintf("%d × %d finite numbers", len(c.golden.Texts), c.golden.Dim)}
	v, dim := c.evidence.Raw.Primary, c.golden.Dim
	if c.evidence.Raw.Dim != dim || len(v) != len(c.golden.Texts)*dim {
		f.Result = Fail
		f.Measured = fmt.Sprintf("%d values in rows of %d", len(v), c.evidence.Raw.Dim)
		f.Next = fmt.Sprintf("The model's output must be one vector of %d numbers for each text; look at the output's shape with `embedgate check` and at the pooling.", dim)
		return f, false
	}
	first, bad := -1, 0
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			if bad++; first < 0 {
				first = i
			}
		}
	}
	if bad > 0 {
		t := c.golden.Texts[first/dim]
		f.Result, f.Value = Fail, float64(bad)
		f.Measured = fmt.Sprintf("%s no finite numbers", plural(bad, "value is", "values are"))
		f.Next = fmt.Sprintf("Component %d of text %q (group %q) is %v: a weight is damaged, or the provider overflows in its precision. Export again from checked weights; if it stays, use a variant of higher precision there.",
			first%dim, t.ID, t.Group, v[first])
		return f, false
	}
	f.Result, f.Measured = Pass, f.Threshold
	return f, true
}

// parityJudge holds figures against limits, one finding for each limit.
type parityJudge struct {
	golden  *reference
	figures parityFigures
	limits  policy.Parity
	// saturation is how many columns of 8-bit weights can saturate on the
	// processor that this was measured on; empty where none can.
	saturation string
}

func (p parityJudge) findings() []Finding {
	f, l := p.figures, p.limits
	all := []Finding{atLeast("min cosine", f.minCosine, *l.MinCosine, cosineText, func() string {
		return p.about(f.worstCosine, "cosine "+cosineText(f.minCosine), func(i int) bool { return f.cosines[i] < *l.MinCosine }) + " " + p.cause()
	})}
	if l.MeanCosine != nil {
		all = append(all, atLeast("mean cosine", f.meanCosine, *l.MeanCosine, cosineText, func() string {
			return "The mean cosine over all texts is below the threshold. " + p.cause()
		}))
	}
	if l.MaxAbs != nil {
		all = append(all, atMost("max abs error", f.maxAbs, *l.MaxAbs, p.golden.relative, func() string {
			return p.about(f.worstAbs, "error "+p.golden.relative(f.maxAbs), func(i int) bool { return f.abs[i] > *l.MaxAbs }) + " " + p.cause()
		}))
	}
	if l.Norm != nil {
		all = append(all, atMost("norm error", f.maxNorm, *l.Norm, p.golden.relative, func() string {
			return p.about(f.worstNorm, "length off by "+p.golden.relative(f.maxNorm), func(i int) bool { return f.norms[i] > *l.Norm }) + " " + p.cause()
		}))
	}
	if l.Rank != nil {
		all = append(all, p.ranking()...)
	}
	return all
}

func (p parityJudge) ranking() []Finding {
	f, l, texts := p.figures, p.limits.Rank, p.golden.Texts
	var all []Finding
	if l.Agreement != nil {
		all = append(all, atLeast(fmt.Sprintf("top-%d neighbours", l.TopK), f.neighbours, *l.Agreement, share, func() string {
			s := fmt.Sprintf("Searches find other texts: text %q shares %s of its neighbours with the float64 model", texts[f.worstNeighbours].ID, share(f.neighbourShare[f.worstNeighbours]))
			if f.neighbour >= 0 {
				s += fmt.Sprintf(" and takes %q for one", texts[f.neighbour].ID)
			}
			return s + ". " + p.cause()
		}))
	}
	if l.Spearman != nil {
		all = append(all, atLeast("Spearman", f.spearman, *l.Spearman, cosineText, func() string {
			return "The pairwise similarities are ordered otherwise than the float64 model's. " + p.cause()
		}))
	}
	if n := len(p.golden.pairs); n > 0 && l.Agreement != nil {
		kept := float64(f.ordersKept) / float64(n)
		all = append(all, atLeast("paraphrase order", kept, *l.Agreement, share, func() string {
			o := f.orderBroken
			return fmt.Sprintf("In case %q the near-miss %q lies at least as close to %q as the paraphrase %q. ", o.name, texts[o.nearMiss].ID, texts[o.anchor].ID, texts[o.paraphrase].ID) + p.cause()
		}))
	}
	return all
}

// about names the worst text and where the others are.
func (p parityJudge) about(i int, what string, off func(int) bool) string {
	t := p.golden.Texts[i]
	return fmt.Sprintf("Worst is text %q (group %q, %s): %s.", t.ID, t.Group, plural(len(p.golden.IDs[i]), "token", "tokens"), what) + where(p.golden, off)
}

// cause says what most likely went wrong.
func (p parityJudge) cause() string {
	f, l := p.figures, p.limits
	direction := f.minCosine >= *l.MinCosine
	length := l.Norm == nil || f.maxNorm <= *l.Norm
	off := 0
	for _, c := range f.cosines {
		if c < *l.MinCosine {
			off++
		}
	}
	switch {
	case direction && !length && f.maxNorm <= math.Sqrt(2*(1-f.minCosine)):
		// Rounding moves a vector along itself as far as across.
		return "The lengths are off by no more than the directions are, which is rounding: this model does not normalise its vectors, and the norm threshold is one for vectors that are. Where you compare by cosine alone, raise norm for this class in the policy's parity; else normalise the vectors."
	case direction && !length:
		return "The directions are right and the lengths are not: normalisation was left out, or added, at the end of the graph."
	case p.saturation != "":
		return "This CPU has no VNNI, and products of 8-bit integers saturate on it: " + p.saturation + " of the weights have pairs that leave 16 bits."
	case direction:
		return "The directions are right: the provider rounds more coarsely than this precision class allows, or the thresholds belong to another class."
	case 2*off > len(f.cosines) && f.meanCosine < 0.99:
		return "Most directions are far off: the pooling is another one, a weight is damaged, or the weights are another model's."
	case 2*off > len(f.cosines):
		return "Most directions are slightly off: a weight was disturbed, or the provider computes in a lower precision than the variant's."
	}
	return "Most texts are right: look at what the wrong ones have in common, such as their length (attention mask, padding, truncation)."
}

func share(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// atLeast and atMost are one limit each. NaN passes neither.
func atLeast(item string, v, limit float64, show func(float64) string, next func() string) Finding {
	f := Finding{Check: "parity", Item: item, Result: Pass, Measured: show(v), Threshold: "≥ " + show(limit), Value: settled(v)}
	if !(v >= limit) {
		f.Result, f.Next = Fail, next()
	}
	return f
}

func atMost(item string, v, limit float64, show func(float64) string, next func() string) Finding {
	f := Finding{Check: "parity", Item: item, Result: Pass, Measured: show(v), Threshold: "≤ " + show(limit), Value: settled(v)}
	if !(v <= limit) {
		f.Result, f.Next = Fail, next()
	}
	return f
}

// noThreshold is what a gate without its limit says.
func noThreshold(check, key string, c gateCase) Finding {
	return Finding{
		Check: check, Item: "threshold", Result: Fail, Measured: "none", Threshold: fmt.Sprintf("one for precision %q", c.class),
		Next: fmt.Sprintf("Add %s.%s to the policy; a gate without a threshold proves nothing.", key, c.class),
	}
}
