package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/stats"
)

// A Reference is the golden set and what follows from it alone, computed once
// for all cases.
type Reference struct {
	golden.Set
	Vecs  []float64 // texts × Dim: what the model should return
	Sizes []float64 // by text: the length that limits on errors are relative to
	sims  []float64 // texts × texts cosines
	ranks []float64 // of the similarities of all pairs
	Pairs []pairOrder

	// Results that are kept between calls; one goroutine uses a reference.
	kths map[int][]float64 // by k
	last *lastFigures
}

// A pairOrder is a ranking case that the float64 model decides: the paraphrase
// is closer to the anchor than the near-miss is.
type pairOrder struct {
	Name                         string
	Anchor, Paraphrase, NearMiss int // text indices
}

// NewReference checks the golden set's shape: Gate trusts no caller.
func NewReference(g golden.Set) (*Reference, error) {
	bad := func(got, wanted string) error {
		return &fault.Error{
			Kind: fault.Usage, Thing: "golden", Got: got, Wanted: wanted,
			Next: "make it again with `embedgate golden`",
		}
	}
	n := len(g.Texts)
	switch {
	case g.Digest == "":
		return nil, bad("no digest", "one that evidence can be bound to")
	case n == 0 || g.Dim <= 0:
		return nil, bad(fmt.Sprintf("%d texts of dimension %d", n, g.Dim), "at least one")
	case len(g.IDs) != n || len(g.Pooled) != n*g.Dim:
		return nil, bad(fmt.Sprintf("%d rows of ids and %d values for %d texts of dimension %d", len(g.IDs), len(g.Pooled), n, g.Dim), "one row for each text")
	}
	for i, v := range g.Pooled {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, bad(fmt.Sprintf("%v in the vector of text %q", v, g.Texts[i/g.Dim].ID), "finite numbers")
		}
	}
	r := &Reference{Set: g, Vecs: expected(g)}
	r.Sizes = sizes(g, r.Vecs)
	r.sims = similarities(r.Vecs, g.Dim)
	r.ranks = stats.Ranks(upper(r.sims, n))
	r.Pairs = pairOrders(r)
	return r, nil
}

// References holds a reference for each list of texts that a plan names. A
// provider may be measured on some of the golden texts only, and a file of
// fixed length on those that fit.
type References struct {
	whole  *Reference
	byText map[string]*Reference
}

func NewReferences(whole *Reference) *References {
	return &References{whole: whole, byText: map[string]*Reference{}}
}

// Of returns the reference of these golden texts alone.
func (r *References) Of(texts []int) (*Reference, error) {
	if len(texts) == len(r.whole.Texts) {
		return r.whole, nil
	}
	if len(texts) < 3 {
		return nil, fmt.Errorf("%s of the golden to be measured; ranking wants 3", text.Plural(len(texts), "text", "texts"))
	}
	key := fmt.Sprint(texts)
	if have, ok := r.byText[key]; ok {
		return have, nil
	}
	made, err := NewReference(r.whole.Subset(texts))
	if err == nil {
		r.byText[key] = made
	}
	return made, err
}

// expected returns the vector that the model should return for each text.
func expected(g golden.Set) []float64 {
	v := make([]float64, 0, len(g.Pooled))
	for i := range g.Texts {
		v = append(v, g.Embedding(i)...)
	}
	return v
}

// sizes returns the lengths of the golden's vectors, by text: 1 where the model
// normalises. Another model may return vectors of length 5 or 500, and rounding
// errors grow with the length. For a vector of length 0 it is 1: its errors are
// compared with the limits as they are.
func sizes(g golden.Set, vecs []float64) []float64 {
	all := make([]float64, len(g.Texts))
	for i := range all {
		all[i] = 1
		if g.Normalize {
			continue
		}
		if l := Norm(vecs[i*g.Dim : (i+1)*g.Dim]); l > 0 {
			all[i] = l
		}
	}
	return all
}

// Relative formats an error that was divided by the golden's lengths.
func (r *Reference) Relative(v float64) string {
	if r.Normalize {
		return Number(v)
	}
	return Number(v) + " of the length"
}

// Norm returns the Euclidean length. The conversion around each product, here
// and below, keeps the compiler from fusing it with the sum, as it does on ARM:
// the numbers of a verdict are the same on every machine that judges.
func Norm(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += float64(x * x)
	}
	return math.Sqrt(s)
}

// cosine returns the cosine of two vectors: 1 for two zero vectors, which are
// equal, and 0 when only one is zero.
func cosine(a, b []float64) float64 {
	na, nb := Norm(a), Norm(b)
	switch {
	case na == 0 && nb == 0:
		return 1
	case na == 0 || nb == 0:
		return 0
	}
	s := 0.0
	for i := range a {
		s += float64((a[i] / na) * (b[i] / nb))
	}
	if math.IsNaN(s) {
		return s
	}
	return min(max(s, -1), 1)
}

// similarities returns the cosines of all pairs of rows, n × n.
func similarities(v []float64, dim int) []float64 {
	n := len(v) / dim
	unit := slices.Clone(v)
	for i := range n {
		row := unit[i*dim : (i+1)*dim]
		if l := Norm(row); l > 0 {
			for j := range row {
				row[j] /= l
			}
		}
	}
	s := make([]float64, n*n)
	for i := range n {
		a := unit[i*dim : (i+1)*dim]
		s[i*n+i] = 1
		for j := i + 1; j < n; j++ {
			d := dot(a, unit[j*dim:(j+1)*dim])
			s[i*n+j], s[j*n+i] = d, d
		}
	}
	return s
}

// dot keeps four sums, because each addition to a single sum would have to wait
// for the one before. The conversions forbid fused multiplication and addition,
// as in Norm.
func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i] * b[i])
		s1 += float64(a[i+1] * b[i+1])
		s2 += float64(a[i+2] * b[i+2])
		s3 += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return s0 + s1 + s2 + s3
}

// upper returns the similarities of each pair of different texts once.
func upper(sims []float64, n int) []float64 {
	u := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		u = append(u, sims[i*n+i+1:(i+1)*n]...)
	}
	return u
}

// minDifference is the smallest difference of two float64 similarities that a
// float32 model must reproduce. It is ten times the error that rounding a
// vector of norm 1 to float32 can cause in its similarities.
const minDifference = 1e-6

// pairOrders returns the ranking cases that the golden vectors decide. It
// compares every paraphrase of a case with every near-miss of it.
func pairOrders(r *Reference) []pairOrder {
	type members struct{ anchors, paraphrases, nearMisses []int }
	byName := map[string]*members{}
	var names []string
	for i, t := range r.Texts {
		if t.Pair == "" {
			continue
		}
		m := byName[t.Pair]
		if m == nil {
			m = &members{}
			byName[t.Pair] = m
			names = append(names, t.Pair)
		}
		switch t.Role {
		case "anchor":
			m.anchors = append(m.anchors, i)
		case "paraphrase":
			m.paraphrases = append(m.paraphrases, i)
		case "near-miss":
			m.nearMisses = append(m.nearMisses, i)
		}
	}
	n := len(r.Texts)
	var orders []pairOrder
	for _, name := range names {
		m := byName[name]
		for _, a := range m.anchors {
			for _, p := range m.paraphrases {
				for _, x := range m.nearMisses {
					if r.sims[a*n+p] > r.sims[a*n+x]+minDifference {
						orders = append(orders, pairOrder{name, a, p, x})
					}
				}
			}
		}
	}
	return orders
}
