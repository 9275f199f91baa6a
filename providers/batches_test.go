package providers

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// cost is what a division costs, counted plainly.
func cost(batches [][]int, lengths []int) int {
	sum := 0
	for _, b := range batches {
		sum += len(b)*lengths[b[0]] + batchCost
	}
	return sum
}

func sorted(lengths []int) (order []int, length func(int) int) {
	for i := range lengths {
		order = append(order, i)
	}
	length = func(i int) int { return lengths[i] }
	slices.SortStableFunc(order, func(a, b int) int { return lengths[b] - lengths[a] })
	return order, length
}

func TestTextsOfOneLengthFillWholeBatches(t *testing.T) {
	order, length := sorted(slices.Repeat([]int{9}, 70))
	b := cut(order, length, 32)
	assert.Len(t, b, 3)
}

func TestAJumpInLengthIsCut(t *testing.T) {
	order, length := sorted([]int{256, 5, 5, 5, 5, 250, 5, 4})
	b := cut(order, length, 32)
	assert.Equal(t, [][]int{{0, 5}, {1, 2, 3, 4, 6, 7}}, b)
}

func TestCutIsTheCheapestDivision(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		lengths := make([]int, 1+r.IntN(11))
		for i := range lengths {
			lengths[i] = 1 + r.IntN(60)
		}
		size := 1 + r.IntN(5)
		order, length := sorted(lengths)
		best := 1 << 30
		for bits := range 1 << (len(order) - 1) { // every way to cut
			var all [][]int
			from, ok := 0, true
			for i := 1; i <= len(order); i++ {
				if i == len(order) || bits>>(i-1)&1 == 1 {
					ok = ok && i-from <= size
					all = append(all, order[from:i])
					from = i
				}
			}
			if ok {
				best = min(best, cost(all, lengths))
			}
		}
		got := cut(order, length, size)
		assert.Equal(t, order, slices.Concat(got...), "each text once, in order")
		assert.Equal(t, best, cost(got, lengths))
	}
}
