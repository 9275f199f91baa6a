package validate

import (
	"math"
	"slices"
)

// badParity is vectors that must not be believed. Each lies beyond one limit of
// the policy by a small factor, whatever that limit is.
func badParity() []badCase {
	return []badCase{
		{name: "one weight disturbed", item: "min cosine", spoil: func(c *gateCase) bool {
			return turn(c, *c.policy.Parity[c.class].MinCosine)
		}},
		{name: "every direction slightly off", item: "mean cosine", spoil: func(c *gateCase) bool {
			limit := c.policy.Parity[c.class].MeanCosine
			return limit != nil && turn(c, *limit)
		}},
		{name: "one component off", item: "max abs error", spoil: func(c *gateCase) bool {
			limit := c.policy.Parity[c.class].MaxAbs
			if limit == nil {
				return false
			}
			v := c.evidence.Raw.Primary
			at := len(v) / 2
			x := &v[at]
			*x += float32(math.Copysign(3**limit*c.golden.sizes[at/c.golden.Dim], float64(*x)))
			return true
		}},
		{name: "normalisation left out", item: "norm error", spoil: func(c *gateCase) bool {
			limit := c.policy.Parity[c.class].Norm
			if limit == nil {
				return false
			}
			longest := 0.0 // over its size
			for i, size := range c.golden.sizes {
				longest = max(longest, norm(c.golden.vecs[i*c.golden.Dim:(i+1)*c.golden.Dim])/size)
			}
			if longest == 0 {
				return false
			}
			by := float32(1 + max(1, 3**limit/longest))
			for i := range c.evidence.Raw.Primary {
				c.evidence.Raw.Primary[i] *= by
			}
			return true
		}},
		{name: "vectors of other texts", item: "", spoil: func(c *gateCase) bool {
			return reverseTexts(c)
		}},
		{name: "a wrong ranking", item: "Spearman", spoil: func(c *gateCase) bool {
			rank := c.policy.Parity[c.class].Rank
			return rank != nil && rank.Spearman != nil && reverseTexts(c)
		}},
		{name: "wrong neighbours", item: "top-", spoil: func(c *gateCase) bool {
			rank := c.policy.Parity[c.class].Rank
			// With few texts every one of them is a neighbour.
			return rank != nil && rank.Agreement != nil && 4*rank.TopK < len(c.golden.Texts) && reverseTexts(c)
		}},
		{name: "near-misses nearer than paraphrases", item: "paraphrase order", spoil: func(c *gateCase) bool {
			rank := c.policy.Parity[c.class].Rank
			if rank == nil || rank.Agreement == nil || len(c.golden.pairs) == 0 {
				return false
			}
			for _, o := range c.golden.pairs {
				copy(c.vector(o.paraphrase), negative(c.vector(o.anchor)))
			}
			return true
		}},
		{name: "a NaN", item: "vectors", spoil: func(c *gateCase) bool {
			c.evidence.Raw.Primary[len(c.evidence.Raw.Primary)-1] = float32(math.NaN())
			return true
		}},
		{name: "an infinity", item: "vectors", spoil: func(c *gateCase) bool {
			c.evidence.Raw.Primary[0] = float32(math.Inf(-1))
			return true
		}},
		{name: "a vector too few", item: "vectors", spoil: func(c *gateCase) bool {
			c.evidence.Raw.Primary = c.evidence.Raw.Primary[c.golden.Dim:]
			return true
		}},
	}
}

func (c *gateCase) vector(i int) []float32 {
	return c.evidence.Raw.Primary[i*c.golden.Dim : (i+1)*c.golden.Dim]
}

func negative(v []float32) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = -x
	}
	return n
}

// turn turns every vector by the angle at which a cosine misses the limit by
// eight times the gap that the limit leaves: measured vectors may already lie
// up to the limit's angle to the other side.
func turn(c *gateCase, limit float64) bool {
	cos := max(1-8*(1-limit), -1)
	if limit >= 1 {
		cos = 1 - 1e-5
	}
	for i := range c.golden.Texts {
		v := c.vector(i)
		wide := widen(v)
		length, low := norm(wide), 0
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
		// A unit vector across v: the axis that v has least of, made orthogonal.
		across := make([]float64, len(wide))
		for j := range wide {
			across[j] = -wide[low] * wide[j] / (length * length)
		}
		across[low]++
		n := norm(across)
		sin := math.Sqrt(1 - cos*cos)
		for j := range v {
			v[j] = float32(cos*wide[j] + sin*length*across[j]/n)
		}
	}
	return true
}

// reverseTexts gives each text the vector of its mirror in the list.
func reverseTexts(c *gateCase) bool {
	n := len(c.golden.Texts)
	if n < 8 {
		return false
	}
	for i := range n / 2 {
		a, b := c.vector(i), c.vector(n-1-i)
		for j := range a {
			a[j], b[j] = b[j], a[j]
		}
	}
	return true
}

// badInvariance is vectors that hang on their company.
func badInvariance() []badCase {
	var all []badCase
	for i, name := range Company() {
		all = append(all,
			badCase{name: "a vector that changes: " + name, item: name, spoil: func(c *gateCase) bool {
				limit := c.policy.Invariance[c.class].MaxAbs
				run, ok := c.company(name)
				if limit == nil || !ok {
					return false
				}
				at := len(run.Vecs) / 2
				x := &run.Vecs[at]
				*x += float32(math.Copysign(3**limit*c.golden.sizes[run.Rows[at/c.golden.Dim]], float64(*x)))
				return true
			}},
			badCase{name: "a way left out: " + name, item: name, spoil: func(c *gateCase) bool {
				r := &c.evidence.Raw.Invariance
				for k := range *r {
					if (*r)[k].Name == name {
						*r = append((*r)[:k:k], (*r)[k+1:]...)
						return true
					}
				}
				return false
			}})
		if i == 0 {
			all = append(all, badCase{name: "a NaN in a batch", item: name, spoil: func(c *gateCase) bool {
				run, ok := c.company(name)
				if ok {
					run.Vecs[0] = float32(math.NaN())
				}
				return ok
			}})
		}
	}
	return all
}

func (c *gateCase) company(name string) (*InvarianceRun, bool) {
	for k := range c.evidence.Raw.Invariance {
		if r := &c.evidence.Raw.Invariance[k]; r.Name == name && len(r.Vecs) > 0 {
			return r, true
		}
	}
	return nil, false
}

// badLatency is slow runs and runs on a machine too noisy to tell.
func badLatency() []badCase {
	return []badCase{
		slowed("a slow run", "", Fail, func(c *gateCase, r *LatencyRun, budget int64, _ float64) {
			for i := range r.SamplesNS {
				r.SamplesNS[i] = 2 * budget
			}
		}),
		slowed("a slow tail", "", Fail, func(c *gateCase, r *LatencyRun, budget int64, over float64) {
			// Four times the share that the percentile allows, spread out evenly.
			share := min(4*over, 1)
			for i := range r.SamplesNS {
				if r.SamplesNS[i] = max(budget/10, 1); int(float64(i+1)*share) > int(float64(i)*share) {
					r.SamplesNS[i] = 2 * budget
				}
			}
		}),
		slowed("a narrow pass on a noisy machine", "", Inconclusive, func(c *gateCase, r *LatencyRun, budget int64, _ float64) {
			for i := range r.SamplesNS {
				r.SamplesNS[i] = max(budget-budget/10, 1)
			}
			r.StealTicks, r.TotalTicks = 500, 1000
			r.CalibrationNS = repeat(1e6, 16)
		}),
	}
}

// slowed spoils the samples at the first budget that gates.
func slowed(name, item string, want Result, spoil func(c *gateCase, r *LatencyRun, budget int64, over float64)) badCase {
	return badCase{name: name, item: item, want: want, spoil: func(c *gateCase) bool {
		for _, b := range c.policy.Latency.Budgets {
			if !b.Gates(c.channel, c.class) || b.Budget < 100 || !slices.Contains(c.plan.Points, LatencyPoint{b.Tokens, b.Batch}) { // under 100 ns no tenth is left to play with
				continue
			}
			p := LatencyPoint{b.Tokens, b.Batch}
			for i := range c.evidence.Latency {
				if r := &c.evidence.Latency[i]; r.LatencyPoint == p {
					spoil(c, r, int64(b.Budget), 1-b.Percentile/100)
				}
			}
			return true
		}
		return false
	}}
}
