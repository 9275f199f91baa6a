package stats

import "gonum.org/v1/gonum/mathext"

// binomialLE returns P(Bin(n, p) ≤ k), exactly up to rounding.
func binomialLE(k, n int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n, p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-p)
}

// binomialGE returns P(Bin(n, p) ≥ k), exactly up to rounding. It is no
// complement of binomialLE, so that small tails keep their digits.
func binomialGE(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n, p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	return mathext.RegIncBeta(float64(k), float64(n-k+1), p)
}
