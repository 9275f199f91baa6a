package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Ranks returns each value's rank from 1; equal values share their mean rank.
func Ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case x[a] < x[b]:
			return -1
		case x[a] > x[b]:
			return 1
		}
		return a - b
	})
	ranks := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		mean := float64(from+1+to) / 2
		for _, i := range order[from:to] {
			ranks[i] = mean
		}
		from = to
	}
	return ranks
}

// Spearman returns the rank correlation of x and y, ties sharing mean ranks.
// It returns 0, which no gate takes for agreement, when the lengths differ,
// when there are fewer than two values or when one side is constant.
func Spearman(x, y []float64) float64 {
	if len(x) != len(y) || len(x) < 2 {
		return 0
	}
	return RankCorrelation(Ranks(x), Ranks(y))
}

// RankCorrelation is Spearman for values that are already ranks.
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
