package child

import (
	"cmp"
	"slices"
)

// spreadOf picks at most n of the texts of these indices, to stand for all:
// sorted by length, at even steps from the shortest to the longest. They come
// shortest first.
func spreadOf(ids [][]int64, of []int, n int) []int {
	order := slices.Clone(of)
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
