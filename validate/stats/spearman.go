package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// Ranks returns each value's rank from 1; equal values share their mean rank.
// None may be NaN.
func Ranks(x []float64) []float64 {
	order := sorted(x)
	ranks := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && order[to].key == order[from].key {
			to++
		}
		mean := float64(from+1+to) / 2
		for _, o := range order[from:to] {
			ranks[o.at] = mean
		}
		from = to
	}
	return ranks
}

// keyed is the index of a value and a number that has the same order as the
// values.
type keyed struct {
	key uint64
	at  int
}

// sorted is a radix sort: it sorts by the bytes of the keys, the lowest byte
// first. A gate ranks tens of thousands of similarities for each of many cases,
// and sorting by comparisons was most of its time.
func sorted(x []float64) []keyed {
	const bits, sign = 8, 1 << 63
	var counts [64 / bits][1 << bits]int
	from, to := make([]keyed, len(x)), make([]keyed, len(x))
	for i, v := range x {
		k := math.Float64bits(v + 0) // −0 is 0
		if k&sign != 0 {
			k = ^k // for negative numbers the order of the bits is reversed
		} else {
			k |= sign
		}
		from[i] = keyed{k, i}
		for pass := range counts {
			counts[pass][byte(k>>(bits*pass))]++
		}
	}
	for pass := range counts {
		count := &counts[pass]
		if len(x) > 0 && count[byte(from[0].key>>(bits*pass))] == len(x) {
			continue // all have the same byte here
		}
		start := 0
		for b, n := range count {
			count[b], start = start, start+n
		}
		for _, v := range from {
			at := &count[byte(v.key>>(bits*pass))]
			to[*at] = v
			*at++
		}
		from, to = to, from
	}
	return from
}

// RankCorrelation returns Spearman's correlation of two samples, given their
// Ranks. It returns 0, which no threshold accepts, when the lengths differ,
// when there are fewer than two values or when one side is constant.
func RankCorrelation(x, y []float64) float64 {
	if len(x) != len(y) || len(x) < 2 {
		return 0
	}
	c := stat.Correlation(x, y, nil)
	if math.IsNaN(c) {
		return 0
	}
	return min(max(c, -1), 1)
}
