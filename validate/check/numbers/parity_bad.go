package numbers

import (
	"math"

	"github.com/embedgate/embedgate/validate/check"
)

// badParity returns wrong vectors. Most exceed one limit of the policy by a
// small factor, whatever that limit is.
func badParity() []check.BadCase {
	return []check.BadCase{
		{Name: "one weight disturbed", Item: "min cosine", Spoil: func(c *check.Case) bool {
			return rotateVectors(c, *c.Policy.Parity[c.Class].MinCosine)
		}},
		{Name: "every direction slightly off", Item: "mean cosine", Spoil: func(c *check.Case) bool {
			limit := c.Policy.Parity[c.Class].MeanCosine
			return limit != nil && rotateVectors(c, *limit)
		}},
		{Name: "one component off", Item: "max abs error", Spoil: func(c *check.Case) bool {
			limit := c.Policy.Parity[c.Class].MaxAbs
			if limit == nil {
				return false
			}
			v := c.Evidence.Raw.Primary
			at := len(v) / 2
			x := &v[at]
			*x += float32(math.Copysign(3**limit*c.Golden.Sizes[at/c.Golden.Dim], float64(*x)))
			return true
		}},
		{Name: "normalisation left out", Item: "norm error", Spoil: func(c *check.Case) bool {
			limit := c.Policy.Parity[c.Class].Norm
			if limit == nil {
				return false
			}
			longest := 0.0 // relative to its size
			for i, size := range c.Golden.Sizes {
				longest = max(longest, check.Norm(c.Golden.Vecs[i*c.Golden.Dim:(i+1)*c.Golden.Dim])/size)
			}
			if longest == 0 {
				return false
			}
			by := float32(1 + max(1, 3**limit/longest))
			for i := range c.Evidence.Raw.Primary {
				c.Evidence.Raw.Primary[i] *= by
			}
			return true
		}},
		{Name: "vectors of other texts", Item: "", Spoil: func(c *check.Case) bool {
			return reverseTexts(c)
		}},
		{Name: "a wrong ranking", Item: "Spearman", Spoil: func(c *check.Case) bool {
			rank := c.Policy.Parity[c.Class].Rank
			return rank != nil && rank.Spearman != nil && reverseTexts(c)
		}},
		{Name: "wrong neighbours", Item: "top-", Spoil: func(c *check.Case) bool {
			rank := c.Policy.Parity[c.Class].Rank
			// With few texts every one of them is a neighbour.
			return rank != nil && rank.Agreement != nil && 4*rank.TopK < len(c.Golden.Texts) && reverseTexts(c)
		}},
		{Name: "near-misses nearer than paraphrases", Item: "paraphrase order", Spoil: func(c *check.Case) bool {
			rank := c.Policy.Parity[c.Class].Rank
			if rank == nil || rank.Agreement == nil || len(c.Golden.Pairs) == 0 {
				return false
			}
			for _, o := range c.Golden.Pairs {
				copy(vectorOf(c, o.Paraphrase), negative(vectorOf(c, o.Anchor)))
			}
			return true
		}},
		{Name: "a NaN", Item: "vectors", Spoil: func(c *check.Case) bool {
			c.Evidence.Raw.Primary[len(c.Evidence.Raw.Primary)-1] = float32(math.NaN())
			return true
		}},
		{Name: "an infinity", Item: "vectors", Spoil: func(c *check.Case) bool {
			c.Evidence.Raw.Primary[0] = float32(math.Inf(-1))
			return true
		}},
		{Name: "a vector too few", Item: "vectors", Spoil: func(c *check.Case) bool {
			c.Evidence.Raw.Primary = c.Evidence.Raw.Primary[c.Golden.Dim:]
			return true
		}},
	}
}

func vectorOf(c *check.Case, i int) []float32 {
	return c.Evidence.Raw.Primary[i*c.Golden.Dim : (i+1)*c.Golden.Dim]
}

func negative(v []float32) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = -x
	}
	return n
}

// rotateVectors turns every vector so that its cosine misses the limit by eight
// times the limit's distance from 1. That is enough for measured vectors too,
// which may already be off by the limit's angle in the opposite direction.
func rotateVectors(c *check.Case, limit float64) bool {
	cos := max(1-8*(1-limit), -1)
	if limit >= 1 {
		cos = 1 - 1e-5
	}
	for i := range c.Golden.Texts {
		v := vectorOf(c, i)
		wide := check.Widen(v)
		length, low := check.Norm(wide), 0
		for j := range wide {
			if math.Abs(wide[j]) < math.Abs(wide[low]) {
				low = j
			}
		}
		if length == 0 {
			continue
		}
		if len(v) == 1 {
			v[0] = -v[0]
			continue
		}
		// A direction orthogonal to v, from the axis along which v is smallest.
		across := make([]float64, len(wide))
		for j := range wide {
			across[j] = -wide[low] * wide[j] / (length * length)
		}
		across[low]++
		n := check.Norm(across)
		sin := math.Sqrt(1 - cos*cos)
		for j := range v {
			v[j] = float32(cos*wide[j] + sin*length*across[j]/n)
		}
	}
	return true
}

// reverseTexts reverses the order of the vectors, so that each text has the
// vector of another one.
func reverseTexts(c *check.Case) bool {
	n := len(c.Golden.Texts)
	if n < 8 {
		return false
	}
	for i := range n / 2 {
		a, b := vectorOf(c, i), vectorOf(c, n-1-i)
		for j := range a {
			a[j], b[j] = b[j], a[j]
		}
	}
	return true
}
