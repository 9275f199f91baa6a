package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// reach is how much farther than measured launches and samples are taken to
// spread: the spread of samples that depend on each other is itself too small,
// and so is what is known of their dependence. Simulated with the limit exactly
// at the percentile, 10 launches of 30: at 1.2 a false Within comes in under
// 0.2 % of the repeats for AR(1) samples up to a correlation of 0.995 and in at
// most 0.5 % for launches that differ by up to ten times what samples do; at 1
// in 0.9 % and 2.4 %. A model at half its budget, whose launches differ by 10 %
// and samples by 10 %, is decided in five runs of six; with 3 launches of 100
// in one of five.
const reach = 1.2

// reachAlone is reach where there is one launch: nothing is known of others,
// and its slow movement stands for theirs. With 3 launches of 100 judged so as
// one, a false Within came in under 0.4 % up to a correlation of 0.98.
const reachAlone = 1.5

// outOfReach tells whether the limit lies beyond the percentile of one more
// launch, as slow as launches may be: the mean of the launches' means, and from
// there the prediction bound of a further mean (Student's t), then the
// tolerance bound of samples within a launch at their effective size. It works
// on logarithms: latencies are positive, skewed and differ by factors.
func outOfReach(launches [][]float64, b Budget) bool {
	n := float64(len(launches))
	var means []float64
	squares, degrees, effective := 0.0, 0.0, 0.0
	for _, l := range launches {
		if len(l) == 0 {
			return false
		}
		logs := make([]float64, len(l))
		for i, v := range l {
			if !(v > 0) {
				return false
			}
			logs[i] = math.Log(v)
		}
		mean := stat.Mean(logs, nil)
		means = append(means, mean)
		for _, v := range logs {
			squares += float64((v - mean) * (v - mean))
		}
		degrees += float64(len(l) - 1)
		effective += EffectiveSize([][]float64{logs})
	}
	if degrees == 0 { // a sample each: launches and samples cannot be told apart
		return false
	}
	slowest, within := stat.Mean(means, nil), math.Sqrt(squares/degrees)
	if n == 1 {
		within *= reachAlone
	} else {
		within *= reach
		slowest += reach * stat.StdDev(means, nil) * math.Sqrt(1+1/n) * distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(b.Confidence)
	}
	k := (math.Log(b.Limit) - slowest) / within
	return k > 0 && ToleranceConfidence(k, effective, b.Percentile) >= b.Confidence
}
