package numbers

import (
	"fmt"
	"math"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Parity proves that the vectors agree with the float64 model's, by the
// thresholds of the variant's precision class.
func Parity() check.Check {
	return check.Check{
		Name:           "parity",
		Portable:       true,
		ChangesVectors: true,
		HasData:        func(e evidence.Evidence) bool { return len(e.Raw.Primary) > 0 },
		UsesNumbers:    true,
		Judge:          judgeParity,
		KnownBad:       badParity(),
	}
}

func judgeParity(c check.Case) check.Result {
	limits, ok := c.Policy.Parity[c.Class]
	if !ok || limits.MinCosine == nil {
		return check.Result{Findings: []verdict.Finding{noThreshold("parity", "parity", c)}}
	}
	shape, ok := vectorsOf(c)
	if !ok {
		return check.Result{Findings: []verdict.Finding{shape}}
	}
	topK := 0
	if limits.Rank != nil {
		topK = limits.Rank.TopK
	}
	p := parityJudge{golden: c.Golden, figures: check.ParityOf(c.Golden, c.Evidence.Raw.Primary, topK), limits: limits}
	if saturatesOn(c) {
		p.saturation = fmt.Sprintf("%d of %d columns", c.Graph.Saturation.Over, c.Graph.Saturation.Columns)
	}
	f := p.figures
	o := check.Result{
		Findings: append([]verdict.Finding{shape}, p.findings()...),
		Parity: &verdict.ParitySummary{
			Texts: len(c.Golden.Texts), MinCosine: check.Rounded(f.MinCosine), MeanCosine: check.Rounded(f.MeanCosine), MaxAbs: check.Rounded(f.MaxAbs),
			WorstText: c.Golden.Texts[f.WorstCosine].ID, RankTopK: check.Rounded(f.Neighbours), Spearman: check.Rounded(f.Spearman),
		},
	}
	return o
}

// vectorsOf proves that there is one finite vector for each text. Without that
// no figure can be computed.
func vectorsOf(c check.Case) (verdict.Finding, bool) {
	f := verdict.Finding{Check: "parity", Item: "vectors", Threshold: fmt.Sprintf("%d × %d finite numbers", len(c.Golden.Texts), c.Golden.Dim)}
	v, dim := c.Evidence.Raw.Primary, c.Golden.Dim
	if c.Evidence.Raw.Dim != dim || len(v) != len(c.Golden.Texts)*dim {
		f.Result = verdict.Fail
		f.Measured = fmt.Sprintf("%d values in rows of %d", len(v), c.Evidence.Raw.Dim)
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
		t := c.Golden.Texts[first/dim]
		f.Result, f.Value = verdict.Fail, float64(bad)
		f.Measured = fmt.Sprintf("%s no finite numbers", text.Plural(bad, "value is", "values are"))
		f.Next = fmt.Sprintf("Component %d of text %q (group %q) is %v: a weight is damaged, or the provider overflows in its precision. Export again from checked weights; if it stays, use a variant of higher precision there.",
			first%dim, t.ID, t.Group, v[first])
		return f, false
	}
	f.Result, f.Measured = verdict.Pass, f.Threshold
	return f, true
}

// parityJudge compares figures with limits: one finding for each limit.
type parityJudge struct {
	golden  *check.Reference
	figures check.ParityFigures
	limits  policy.Parity
	// saturation is how many columns of 8-bit weights can saturate on the
	// processor that this was measured on; empty where none can.
	saturation string
}

func (p parityJudge) findings() []verdict.Finding {
	f, l := p.figures, p.limits
	all := []verdict.Finding{atLeast("min cosine", f.MinCosine, *l.MinCosine, check.CosineText, func() string {
		return p.about(f.WorstCosine, "cosine "+check.CosineText(f.MinCosine), func(i int) bool { return f.Cosines[i] < *l.MinCosine }) + " " + p.cause()
	})}
	if l.MeanCosine != nil {
		all = append(all, atLeast("mean cosine", f.MeanCosine, *l.MeanCosine, check.CosineText, func() string {
			return "The mean cosine over all texts is below the threshold. " + p.cause()
		}))
	}
	if l.MaxAbs != nil {
		all = append(all, atMost("max abs error", f.MaxAbs, *l.MaxAbs, p.golden.Relative, func() string {
			return p.about(f.WorstAbs, "error "+p.golden.Relative(f.MaxAbs), func(i int) bool { return f.Abs[i] > *l.MaxAbs }) + " " + p.cause()
		}))
	}
	if l.Norm != nil {
		all = append(all, atMost("norm error", f.MaxNorm, *l.Norm, p.golden.Relative, func() string {
			return p.about(f.WorstNorm, "length off by "+p.golden.Relative(f.MaxNorm), func(i int) bool { return f.Norms[i] > *l.Norm }) + " " + p.cause()
		}))
	}
	if l.Rank != nil {
		all = append(all, p.ranking()...)
	}
	return all
}

func (p parityJudge) ranking() []verdict.Finding {
	f, l, texts := p.figures, p.limits.Rank, p.golden.Texts
	var all []verdict.Finding
	if l.Agreement != nil {
		all = append(all, atLeast(fmt.Sprintf("top-%d neighbours", l.TopK), f.Neighbours, *l.Agreement, share, func() string {
			s := fmt.Sprintf("Searches find other texts: text %q shares %s of its neighbours with the float64 model", texts[f.WorstNeighbours].ID, share(f.NeighbourShare[f.WorstNeighbours]))
			if f.WrongNeighbour >= 0 {
				s += fmt.Sprintf(" and has %q among them, which is none", texts[f.WrongNeighbour].ID)
			}
			return s + ". " + p.cause()
		}))
	}
	if l.Spearman != nil {
		all = append(all, atLeast("Spearman", f.Spearman, *l.Spearman, check.CosineText, func() string {
			return "The order of the pairwise similarities is not the float64 model's. " + p.cause()
		}))
	}
	if n := len(p.golden.Pairs); n > 0 && l.Agreement != nil {
		kept := float64(f.OrdersKept) / float64(n)
		all = append(all, atLeast("paraphrase order", kept, *l.Agreement, share, func() string {
			o := f.OrderBroken
			return fmt.Sprintf("In case %q the near-miss %q lies at least as close to %q as the paraphrase %q. ", o.Name, texts[o.NearMiss].ID, texts[o.Anchor].ID, texts[o.Paraphrase].ID) + p.cause()
		}))
	}
	return all
}

// about names the worst text and the groups of all that are off.
func (p parityJudge) about(i int, what string, off func(int) bool) string {
	t := p.golden.Texts[i]
	return fmt.Sprintf("Worst is text %q (group %q, %s): %s.", t.ID, t.Group, text.Plural(len(p.golden.IDs[i]), "token", "tokens"), what) + check.DescribeTexts(p.golden, off)
}

// cause says what most likely went wrong.
func (p parityJudge) cause() string {
	f, l := p.figures, p.limits
	direction := f.MinCosine >= *l.MinCosine
	length := l.Norm == nil || f.MaxNorm <= *l.Norm
	off := 0
	for _, c := range f.Cosines {
		if c < *l.MinCosine {
			off++
		}
	}
	switch {
	case direction && !length && f.MaxNorm <= math.Sqrt(2*(1-f.MinCosine)):
		// Rounding changes a vector's length as much as its direction.
		return "The lengths are off by no more than the directions are, which is rounding: this model does not normalise its vectors, and the norm threshold is one for vectors that are. Where you compare by cosine alone, raise norm for this class in the policy's parity; else normalise the vectors."
	case direction && !length:
		return "The directions are right and the lengths are not: normalisation was left out, or added, at the end of the graph."
	case p.saturation != "":
		return "This CPU has no VNNI, and products of 8-bit integers saturate on it: " + p.saturation + " of the weights have pairs that leave 16 bits."
	case direction:
		return "The directions are right: the provider rounds more coarsely than this precision class allows, or the thresholds belong to another class."
	case 2*off > len(f.Cosines) && f.MeanCosine < 0.99:
		return "Most directions are far off: the pooling is another one, a weight is damaged, or the weights are another model's."
	case 2*off > len(f.Cosines):
		return "Most directions are slightly off: a weight was disturbed, or the provider computes in a lower precision than the variant's."
	}
	return "Most texts are right: look at what the wrong ones have in common, such as their length (attention mask, padding, truncation)."
}

func share(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// atLeast and atMost judge one limit each. NaN passes neither.
func atLeast(item string, v, limit float64, show func(float64) string, next func() string) verdict.Finding {
	f := verdict.Finding{Check: "parity", Item: item, Result: verdict.Pass, Measured: show(v), Threshold: "≥ " + show(limit), Value: check.Rounded(v)}
	if !(v >= limit) {
		f.Result, f.Next = verdict.Fail, next()
	}
	return f
}

func atMost(item string, v, limit float64, show func(float64) string, next func() string) verdict.Finding {
	f := verdict.Finding{Check: "parity", Item: item, Result: verdict.Pass, Measured: show(v), Threshold: "≤ " + show(limit), Value: check.Rounded(v)}
	if !(v <= limit) {
		f.Result, f.Next = verdict.Fail, next()
	}
	return f
}

// noThreshold is the finding where the policy has no limit for the class.
func noThreshold(check, key string, c check.Case) verdict.Finding {
	return verdict.Finding{
		Check: check, Item: "threshold", Result: verdict.Fail, Measured: "none", Threshold: fmt.Sprintf("one for precision %q", c.Class),
		Next: fmt.Sprintf("Add %s.%s to the policy; a gate without a threshold proves nothing.", key, c.Class),
	}
}
