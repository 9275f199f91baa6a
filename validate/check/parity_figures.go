package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/validate/stats"
)

// ParityFigures is how far vectors lie from the float64 golden.
type ParityFigures struct {
	Cosines                         []float64 // by text
	Abs, Norms                      []float64 // by text, over its size: largest component error, |‖v‖ − ‖golden v‖|
	MinCosine, MeanCosine           float64
	MaxAbs, MaxNorm                 float64
	WorstCosine, WorstAbs           int // text indices
	WorstNorm                       int
	Neighbours                      float64   // mean share of shared neighbours
	NeighbourShare                  []float64 // by text
	WorstNeighbours, WrongNeighbour int       // a text, and one that it wrongly gives as a neighbour
	Spearman                        float64
	OrdersKept                      int
	OrderBroken                     *pairOrder // the first
}

// Widen returns float32 values as float64, in which everything is judged.
func Widen(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

// ParityOf compares finite vectors of the right shape. With a topK of 0 it
// does not compute the ranking. It keeps the figures of the last vectors,
// because the self-test asks for the same ones for each class of the policy,
// and ranking all pairs is most of the gate's time.
func ParityOf(r *Reference, vecs []float32, topK int) ParityFigures {
	if l := r.last; l != nil && l.topK == topK && slices.EqualFunc(l.vecs, vecs, sameBits) {
		return l.figures
	}
	f := figuresOf(r, vecs, topK)
	r.last = &lastFigures{vecs: slices.Clone(vecs), topK: topK, figures: f}
	return f
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// lastFigures are the arguments and the result of the last call of ParityOf.
type lastFigures struct {
	vecs    []float32 // a copy: bad cases change theirs
	topK    int
	figures ParityFigures
}

func figuresOf(r *Reference, vecs []float32, topK int) ParityFigures {
	n, dim := len(r.Texts), r.Dim
	got := Widen(vecs)
	f := ParityFigures{
		Cosines: make([]float64, n), Abs: make([]float64, n), Norms: make([]float64, n),
		MinCosine: math.Inf(1),
	}
	for i := range n {
		a, b := got[i*dim:(i+1)*dim], r.Vecs[i*dim:(i+1)*dim]
		f.Cosines[i] = cosine(a, b)
		for j := range a {
			f.Abs[i] = max(f.Abs[i], math.Abs(a[j]-b[j]))
		}
		f.Abs[i] /= r.Sizes[i]
		f.Norms[i] = math.Abs(Norm(a)-Norm(b)) / r.Sizes[i]
		f.MeanCosine += f.Cosines[i]
		if f.Cosines[i] < f.MinCosine {
			f.MinCosine, f.WorstCosine = f.Cosines[i], i
		}
		if f.Abs[i] > f.MaxAbs {
			f.MaxAbs, f.WorstAbs = f.Abs[i], i
		}
		if f.Norms[i] > f.MaxNorm {
			f.MaxNorm, f.WorstNorm = f.Norms[i], i
		}
	}
	f.MeanCosine /= float64(n) // once, at the end: n ones have the mean 1
	if topK <= 0 {
		return f
	}
	sims := similarities(got, dim)
	f.Spearman = stats.RankCorrelation(stats.Ranks(upper(sims, n)), r.ranks)
	f.compareNeighbours(r, sims, topK)
	for i, o := range r.Pairs {
		if sims[o.Anchor*n+o.Paraphrase] > sims[o.Anchor*n+o.NearMiss] {
			f.OrdersKept++
		} else if f.OrderBroken == nil {
			f.OrderBroken = &r.Pairs[i]
		}
	}
	return f
}

// compareNeighbours compares each text's k nearest neighbours with the
// golden's. A neighbour counts as shared when, for the float64 model, it is as
// near as the k-th nearest, up to minDifference. Texts at the same distance,
// such as copies and blank texts, are therefore interchangeable, and rounding
// alone loses no neighbour.
func (f *ParityFigures) compareNeighbours(r *Reference, sims []float64, k int) {
	n := len(r.Texts)
	k = min(k, n-1)
	if k < 1 {
		return
	}
	f.NeighbourShare = make([]float64, n)
	f.Neighbours, f.WorstNeighbours, f.WrongNeighbour = 0, 0, -1
	least := math.Inf(1)
	kths := r.kthNearest(k)
	best := make([]int, 0, k)
	for i := range n {
		row, want := sims[i*n:(i+1)*n], r.sims[i*n:(i+1)*n]
		wrong, shared := -1, 0
		best = nearest(best, row, i, k)
		for _, j := range best {
			if want[j] >= kths[i]-minDifference {
				shared++
			} else if wrong < 0 {
				wrong = j
			}
		}
		f.NeighbourShare[i] = float64(shared) / float64(k)
		f.Neighbours += f.NeighbourShare[i]
		if f.NeighbourShare[i] < least {
			least, f.WorstNeighbours, f.WrongNeighbour = f.NeighbourShare[i], i, wrong
		}
	}
	f.Neighbours /= float64(n)
}

// kthNearest returns each golden text's similarity to its k-th nearest other
// one.
func (r *Reference) kthNearest(k int) []float64 {
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

// nearest puts the k most similar other texts into best, the most similar
// first, and equally similar ones by index.
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

// DescribeTexts says how many texts are off and from which groups they come.
func DescribeTexts(r *Reference, off func(i int) bool) string {
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
