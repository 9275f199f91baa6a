package stats

import "math"

// DecideCurtailed is Decide for launches that a time limit ended before all
// planned samples were taken. The missing samples count as under the limit: the
// answer is Over only when the samples over the limit are enough among all that
// were planned, and never Within. Whatever the missing samples would have been,
// Decide would not have answered Within where this answers Over.
//
// Samples that depend on each other reduce planned and count as in Decide. They
// do not where the slow movement stays so far above the limit that it does not
// reach it.
func DecideCurtailed(launches [][]float64, planned int, b Budget) Decision {
	d := Decide(launches, b)
	if planned <= d.N {
		return d
	}
	n, observed := planned, float64(d.N)
	d = Decision{N: d.N, Count: d.Count, P: 1}
	if d.N == 0 {
		return d
	}
	over := make([][]float64, len(launches))
	for i, l := range launches {
		over[i] = make([]float64, len(l))
		for j, v := range l {
			if !(v < b.Limit) {
				over[i][j] = 1
			}
		}
	}
	clusters, moves := effectiveSize(over), effectiveSize(launches)
	worth := min(clusters, moves)
	if moves < clusters && staysAbove(launches, b) {
		worth, d.OutOfReach = clusters, true
	}
	d.Effective = float64(n) * worth / observed
	d.P, d.EffectiveCount = fail(d.Count, n, d.Effective, 1-b.Percentile)
	if atMost(d.P, 1-b.Confidence) {
		d.Answer = Over
	}
	return d
}

// staysAbove is outOfReach in the opposite direction: the fastest launch that is
// to be expected is above the limit.
func staysAbove(launches [][]float64, b Budget) bool {
	mirrored := make([][]float64, len(launches))
	for i, l := range launches {
		mirrored[i] = make([]float64, len(l))
		for j, v := range l {
			mirrored[i][j] = 1 / v // changes the sign of the logarithm
		}
	}
	b.Limit = 1 / b.Limit
	return !math.IsInf(b.Limit, 0) && outOfReach(mirrored, b)
}

// CountFor returns the smallest count over the limit among n samples that
// excludes chance.
func CountFor(n int, b Budget) int {
	for k := 1; k <= n; k++ {
		if atMost(binomialGE(k, n, 1-b.Percentile), 1-b.Confidence) {
			return k
		}
	}
	return n + 1
}
