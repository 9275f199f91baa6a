package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// toleranceConfidence returns the confidence with which mean + k·sd of n normal
// samples lies over the q-quantile of their distribution: the noncentral t
// behind one-sided tolerance bounds. n need not be whole. Under two samples a
// spread says nothing, and the confidence is 0.
func toleranceConfidence(k, n, q float64) float64 {
	if !(n >= 2) || !(q > 0 && q < 1) || math.IsNaN(k) {
		return 0
	}
	// P(mean + k·sd ≥ z): the normal mean, integrated over the sd by Simpson's
	// rule on its logarithm u. The sd's square is χ²/ν.
	z := mathext.NormalQuantile(q)
	nu := n - 1
	lgamma, _ := math.Lgamma(nu / 2)
	scale := math.Ln2 + nu/2*math.Log(nu/2) - lgamma
	const steps, lo, hi = 4000, -16.0, 2.5
	const h = (hi - lo) / steps
	sum := 0.0
	for i := 0; i <= steps; i++ {
		u := lo + h*float64(i)
		w := 2.0
		switch {
		case i == 0 || i == steps:
			w = 1
		case i%2 == 1:
			w = 4
		}
		density := math.Exp(scale + nu*u - nu/2*math.Exp(2*u))
		if density == 0 {
			continue
		}
		sum += w * density * 0.5 * math.Erfc((z-k*math.Exp(u))*math.Sqrt(n/2))
	}
	return min(max(sum*h/3, 0), 1)
}
