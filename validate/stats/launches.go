package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// reach is the factor by which the measured spread of samples, and of few
// launches, is increased: the spread of samples that depend on each other is too
// small an estimate, and so is that of their dependence. Simulated with the limit
// exactly at the percentile, 10 launches of 30 at a confidence of 0.99: at 1.2 a
// false Within comes in under 0.2 % of the repeats for AR(1) samples up to a
// correlation of 0.995 and in at most 0.5 % for launches that differ by up to
// ten times what samples do; at 1 in 0.9 % and 2.4 %.
const reach = 1.2

// manyLaunches is the number of launches from which on their spread is known
// well enough to be taken as it was measured: 20 launches of 15 at 0.995 gave at most 0.47 % in the same
// simulation. On a machine that works at one of two speeds, a third apart, a
// model at half its budget is always decided; with 10 launches at 0.99 it is
// decided in one run of four.
const manyLaunches = 20

func reachOf(launches float64) float64 {
	if launches >= manyLaunches {
		return 1
	}
	return reach
}

// reachAlone is reach where there is one launch: nothing is known about others,
// so that its slow movement is taken for the difference between launches. With
// 3 launches of 100 judged in this way as one, a false Within came in under
// 0.4 % up to a correlation of 0.98.
const reachAlone = 1.5

// outOfReach reports whether the limit is above the percentile of the slowest
// launch that is to be expected: the mean of the launches' means, and from
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
		effective += effectiveSize([][]float64{logs})
	}
	if degrees == 0 { // a sample each: launches and samples cannot be told apart
		return false
	}
	slowest, within := stat.Mean(means, nil), math.Sqrt(squares/degrees)
	if n == 1 {
		within *= reachAlone
	} else {
		within *= reachOf(n)
		slowest += reachOf(n) * stat.StdDev(means, nil) * math.Sqrt(1+1/n) * distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(b.Confidence)
	}
	k := (math.Log(b.Limit) - slowest) / within
	return k > 0 && toleranceConfidence(k, effective, b.Percentile) >= b.Confidence
}
