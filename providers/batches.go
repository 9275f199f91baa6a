package providers

// Stats counts tokens over a corpus.
type Stats struct {
	Texts, Batches int
	Useful         int64 // real tokens, special ones included
	Computed       int64 // the same with padding: Rows × Cols of each batch
}

func (s *Stats) add(batch []int, cols int, length func(int) int) {
	s.Batches++
	s.Texts += len(batch)
	s.Computed += int64(len(batch) * cols)
	for _, text := range batch {
		s.Useful += int64(length(text))
	}
}

// batchCost is what starting one more batch costs, in padded tokens: a run of
// the model has a fixed part, measured on the CPU at about the time of this
// many tokens, so a cut must save more padding than this.
const batchCost = 12

// cut divides texts that are sorted longest first into batches of at most size
// texts, with the least Σ rows × longest + batchCost. Cutting every size texts
// would put a text of 40 tokens beside one of 256 wherever lengths jump; the
// exact minimum takes len(order) × size steps.
func cut(order []int, length func(int) int, size int) [][]int {
	if size <= 0 {
		size = DefaultBatch
	}
	n := len(order)
	cost := make([]int64, n+1) // of the texts from i on
	next := make([]int, n+1)   // where the batch that begins at i ends
	for i := n - 1; i >= 0; i-- {
		longest := int64(length(order[i]))
		for end := min(i+size, n); end > i; end-- {
			c := int64(end-i)*longest + batchCost + cost[end]
			if next[i] == 0 || c < cost[i] {
				cost[i], next[i] = c, end
			}
		}
	}
	var batches [][]int
	for i := 0; i < n; i = next[i] {
		batches = append(batches, order[i:next[i]])
	}
	return batches
}
