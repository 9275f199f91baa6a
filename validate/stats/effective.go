package stats

// effectiveSize returns the effective size of the launches' samples, the number
// of independent samples with the same information: n/τ, where τ = 1 + 2·Σρ(lag) is the integrated autocorrelation time,
// estimated by Geyer's initial monotone positive sequence. It is at least 1
// (0 without samples) and at most n: negative correlation does not raise it.
//
// Only pairs inside a launch are compared, but all are centred on the mean of
// all launches together. So the samples of a launch that is slower as a whole,
// as after an unlucky memory layout, count as dependent. A constant series says
// nothing about dependence and has the size n.
func effectiveSize(launches [][]float64) float64 {
	n, longest, sum := 0, 0, 0.0
	for _, l := range launches {
		n += len(l)
		longest = max(longest, len(l))
		for _, v := range l {
			sum += v
		}
	}
	if n == 0 {
		return 0
	}
	mean := sum / float64(n)
	auto := func(lag int) float64 {
		s := 0.0
		for _, l := range launches {
			for i := lag; i < len(l); i++ {
				s += (l[i] - mean) * (l[i-lag] - mean)
			}
		}
		return s
	}
	zero := auto(0)
	if zero <= 0 {
		return float64(n)
	}
	total, last := 0.0, 0.0
	for lag := 0; lag < longest; lag += 2 {
		pair := auto(lag) + auto(lag+1)
		if pair <= 0 {
			break
		}
		if lag > 0 {
			pair = min(pair, last)
		}
		total, last = total+pair, pair
	}
	tau := max(2*total/zero-1, 1)
	return max(float64(n)/tau, 1)
}
