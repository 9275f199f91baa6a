package child

import (
	"cmp"
	"slices"
)

// spreadOf selects at most n of the texts of these indices, evenly spaced by
// length from the shortest to the longest. The shortest is first.
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
