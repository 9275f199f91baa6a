package validate

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/validate/stats"
)

// parityFigures is how far vectors lie from the float64 golden.
type parityFigures struct {
	cosines                    []float64 // by text
	abs, norms                 []float64 // by text, over its size: largest component error, |‖v‖ − ‖golden v‖|
	minCosine, meanCosine      float64
	maxAbs, maxNorm            float64
	worstCosine, worstAbs      int // text indices
	worstNorm                  int
	neighbours                 float64   // mean share of shared neighbours
	neighbourShare             []float64 // by text
	worstNeighbours, neighbour int       // a text, and one that it wrongly gives as a neighbour
	spearman                   float64
	ordersKept                 int
	orderBroken                *pairOrder // the first
}

// widen returns float32 values as float64, in which everything is judged.
func widen(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

// parityOf compares finite vectors of the right shape. topK 0 leaves the
// ranking out. The self-test shows the same vectors again for each class of the
// policy: the figures of the last ones are kept, for the ranking of all pairs is
// most of what a gate costs.
func parityOf(r *reference, vecs []float32, topK int) parityFigures {
	if l := r.last; l != nil && l.topK == topK && slices.EqualFunc(l.vecs, vecs, sameBits) {
		return l.figures
	}
	f := figuresOf(r, vecs, topK)
	r.last = &lastFigures{vecs: slices.Clone(vecs), topK: topK, figures: f}
	return f
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// lastFigures is what parityOf was asked last of a reference, and its answer.
type lastFigures struct {
	vecs    []float32 // a copy: bad cases change theirs
	topK    int
	figures parityFigures
}

func figuresOf(r *reference, vecs []float32, topK int) parityFigures {
	n, dim := len(r.Texts), r.Dim
	got := widen(vecs)
	f := parityFigures{
		cosines: make([]float64, n), abs: make([]float64, n), norms: make([]float64, n),
		minCosine: math.Inf(1),
	}
	for i := range n {
		a, b := got[i*dim:(i+1)*dim], r.vecs[i*dim:(i+1)*dim]
		f.cosines[i] = cosine(a, b)
		for j := range a {
			f.abs[i] = max(f.abs[i], math.Abs(a[j]-b[j]))
		}
		f.abs[i] /= r.sizes[i]
		f.norms[i] = math.Abs(norm(a)-norm(b)) / r.sizes[i]
		f.meanCosine += f.cosines[i]
		if f.cosines[i] < f.minCosine {
			f.minCosine, f.worstCosine = f.cosines[i], i
		}
		if f.abs[i] > f.maxAbs {
			f.maxAbs, f.worstAbs = f.abs[i], i
		}
		if f.norms[i] > f.maxNorm {
			f.maxNorm, f.worstNorm = f.norms[i], i
		}
	}
	f.meanCosine /= float64(n) // once, at the end: n ones have the mean 1
	if topK <= 0 {
		return f
	}
	sims := similarities(got, dim)
	f.spearman = stats.RankCorrelation(stats.Ranks(upper(sims, n)), r.ranks)
	f.agree(r, sims, topK)
	for i, o := range r.pairs {
		if sims[o.anchor*n+o.paraphrase] > sims[o.anchor*n+o.nearMiss] {
			f.ordersKept++
		} else if f.orderBroken == nil {
			f.orderBroken = &r.pairs[i]
		}
	}
	return f
}

// agree compares each text's k nearest neighbours with the golden's. A
// neighbour counts as shared when the float64 model holds it to be as near as
// its own k-th nearest, up to the difference that float32 can decide. So texts
// that are equally far, as copies and blank texts are, may stand for each
// other, and rounding costs nothing.
func (f *parityFigures) agree(r *reference, sims []float64, k int) {
	n := len(r.Texts)
	k = min(k, n-1)
	if k < 1 {
		return
	}
	f.neighbourShare = make([]float64, n)
	f.neighbours, f.worstNeighbours, f.neighbour = 0, 0, -1
	least := math.Inf(1)
	kths := r.kthNearest(k)
	best := make([]int, 0, k)
	for i := range n {
		row, want := sims[i*n:(i+1)*n], r.sims[i*n:(i+1)*n]
		stranger, shared := -1, 0
		best = nearest(best, row, i, k)
		for _, j := range best {
			if want[j] >= kths[i]-decided {
				shared++
			} else if stranger < 0 {
				stranger = j
			}
		}
		f.neighbourShare[i] = float64(shared) / float64(k)
		f.neighbours += f.neighbourShare[i]
		if f.neighbourShare[i] < least {
			least, f.worstNeighbours, f.neighbour = f.neighbourShare[i], i, stranger
		}
	}
	f.neighbours /= float64(n)
}

// kthNearest returns each golden text's similarity to its k-th nearest other
// one.
func (r *reference) kthNearest(k int) []float64 {
	if have, ok := r.kths[k]; ok {
		return have
	}
	n := len(r.Texts)
	kths := make([]float64, n)
	best := make([]int, 0, k)
	for i := range kths {
		want := r.sims[i*n : (i+1)*n]
		best = nearest(best, want, i, k)
		kths[i] = want[best[k-1]]
	}
	if r.kths == nil {
		r.kths = map[int][]float64{}
	}
	r.kths[k] = kths
	return kths
}

// nearest puts the k most similar other texts into best, by falling similarity
// and equal ones by index.
func nearest(best []int, row []float64, self, k int) []int {
	best = best[:0]
	for j, s := range row {
		if j == self || len(best) == k && s <= row[best[k-1]] {
			continue
		}
		if len(best) < k {
			best = append(best, j)
		}
		at := len(best) - 1
		for ; at > 0 && s > row[best[at-1]]; at-- {
			best[at] = best[at-1]
		}
		best[at] = j
	}
	return best
}

// where tells which texts are off, in words: the groups that they come from.
func where(r *reference, off func(i int) bool) string {
	count := map[string]int{}
	total := 0
	for i, t := range r.Texts {
		if off(i) {
			count[t.Group]++
			total++
		}
	}
	switch {
	case total == 0:
		return ""
	case total == len(r.Texts):
		return fmt.Sprintf(" All %d texts are off.", total)
	}
	var groups []string
	for g := range count {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	s := fmt.Sprintf(" %d of %d texts are off, most in group %q (%d).", total, len(r.Texts), groups[0], count[groups[0]])
	if len(groups) == 1 {
		s = fmt.Sprintf(" %d of %d texts are off, all in group %q.", total, len(r.Texts), groups[0])
	}
	return s
}
