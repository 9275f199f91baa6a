package measure

import (
	"cmp"
	"slices"
)

// spreadOf picks at most n texts that stand for all: sorted by length, at even
// steps from the shortest to the longest. The indices come shortest first.
func spreadOf(ids [][]int64, n int) []int {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(ids[a]), len(ids[b])) })
	if len(order) <= n {
		return order
	}
	picked := make([]int, n)
	for k := range picked {
		picked[k] = order[k*(len(order)-1)/(n-1)]
	}
	return picked
}
