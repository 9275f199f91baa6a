package stats

import "math"

// Answer is the result of a statistical test of a budget.
type Answer uint8

// The answers. The zero value is the one that proves nothing.
const (
	Unsure Answer = iota
	Within        // the percentile is under the limit
	Over          // the percentile is at or over the limit
)

// Budget says that the Percentile of samples is under Limit, to be proven with
// Confidence. Percentile and Confidence are shares, as 0.95 and 0.99; Limit has
// the samples' unit.
type Budget struct {
	Percentile, Confidence, Limit float64
}

// Decision is an answer with its reasons.
type Decision struct {
	Answer Answer
	N      int // samples
	Count  int // samples at or over the limit
	// Effective is the effective sample size: the number of independent samples
	// with the same information. EffectiveCount is Count on that scale.
	Effective      float64
	EffectiveCount int
	// P is the probability of a count at least so extreme if the percentile
	// lay exactly at the limit: the smaller of both directions.
	P float64
	// OutOfReach says that the samples depend on each other, and that their
	// movement, extrapolated, still does not reach the limit.
	OutOfReach bool
}

// Decide tests a percentile budget exactly: with n samples of which k are at or
// over the limit, the budget is met when P(Bin(n, 1−p) ≤ k) ≤ 1−confidence, and
// broken when P(Bin(n, 1−p) ≥ k) ≤ 1−confidence.
//
// Samples that depend on each other count as fewer. n becomes the effective size
// of the over-the-limit indicator or of the samples, whichever is smaller, and k
// is scaled with it, rounded towards Unsure in both directions.
//
// When no sample is over the limit, the indicator is constant and says nothing
// about dependence. The effective size of the samples then shows whether some
// slow movement was seen only a few times. Whether that matters depends on the
// size of the movement: a model that is ten times too fast and drifts by a
// percent is within its budget. So n is not reduced to the samples' effective
// size when the limit is also out of reach of the slowest launch that is to be
// expected (see outOfReach).
//
// No rule can find a slow state that did not occur during the measurement, and
// few launches say little about how launches differ. More launches help.
func Decide(launches [][]float64, b Budget) Decision {
	d := Decision{P: 1}
	var over [][]float64
	over, d.Count, d.N = overs(launches, b.Limit)
	if d.N == 0 {
		return d
	}
	alpha, share := 1-b.Confidence, 1-b.Percentile
	clusters := effectiveSize(over)
	moves := effectiveSize(launches)
	d.Effective = min(clusters, moves)

	met, few := pass(d.Count, d.N, d.Effective, share)
	broken, many := fail(d.Count, d.N, d.Effective, share)
	d.P, d.EffectiveCount = met, few
	if broken < met {
		d.P, d.EffectiveCount = broken, many
	}
	switch {
	case atMost(met, alpha):
		d.Answer = Within
	case atMost(broken, alpha):
		d.Answer = Over
	case moves < clusters && outOfReach(launches, b):
		if p, k := pass(d.Count, d.N, clusters, share); atMost(p, alpha) {
			d.Answer, d.OutOfReach = Within, true
			d.P, d.EffectiveCount, d.Effective = p, k, clusters
		}
	}
	return d
}

// overs marks the samples at or over a limit with 1. It counts them, and all
// samples.
func overs(launches [][]float64, limit float64) (over [][]float64, count, all int) {
	over = make([][]float64, len(launches))
	for i, l := range launches {
		over[i] = make([]float64, len(l))
		for j, v := range l {
			if !(v < limit) { // NaN is over every limit
				over[i][j] = 1
				count++
			}
		}
		all += len(l)
	}
	return over, count, all
}

// pass returns P(Bin ≤ k) after n and k are scaled: n rounded down, k up.
func pass(k, n int, effective, share float64) (p float64, scaled int) {
	m := int(math.Floor(effective + 1e-9))
	scaled = int(math.Ceil(float64(k)*effective/float64(n) - 1e-9))
	return binomialLE(scaled, m, share), scaled
}

// fail returns P(Bin ≥ k) after n and k are scaled: n rounded up, k down.
func fail(k, n int, effective, share float64) (p float64, scaled int) {
	m := int(math.Ceil(effective - 1e-9))
	scaled = int(math.Floor(float64(k)*effective/float64(n) + 1e-9))
	return binomialGE(scaled, m, share), scaled
}

// atMost allows for the rounding error of 1 − 0.99, and no more.
func atMost(p, alpha float64) bool { return p <= alpha*(1+1e-9) }
