package support

import (
	"slices"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
)

// graph is the nodes of a model that are left to run, and what is known of
// their values.
type graph struct {
	nodes    []int // indices into the model's
	next     [][]int
	inputs   []int // how many of a node's inputs other nodes make
	known    map[string]infer.Tensor
	produced map[string]bool // by a node that is left to run
	unfixed  string          // why shapes are not fixed, in a sentence
}

func newGraph(m onnxfile.Model, known map[string]infer.Tensor) *graph {
	g := &graph{known: known, produced: map[string]bool{}, unfixed: unfixedAxes(m.Inputs)}
	maker := map[string]int{}
	for i, n := range m.Nodes {
		if n.Inner || infer.Folded(n, known) {
			continue
		}
		for _, o := range n.Outputs {
			if o != "" {
				maker[o], g.produced[o] = len(g.nodes), true
			}
		}
		g.nodes = append(g.nodes, i)
	}
	g.next, g.inputs = make([][]int, len(g.nodes)), make([]int, len(g.nodes))
	for i, n := range g.nodes {
		for _, in := range m.Nodes[n].Inputs {
			if from, ok := maker[in]; ok && in != "" {
				g.next[from] = append(g.next[from], i)
				g.inputs[i]++
			}
		}
	}
	return g
}

// unfixedAxes names the axes that the graph's inputs do not fix, in a sentence.
func unfixedAxes(inputs []onnxfile.Value) string {
	const most = 6 // a sentence stays short, whatever the file holds
	var names []string
	for _, v := range inputs {
		for _, d := range v.Shape {
			if _, err := strconv.Atoi(d); err != nil && len(names) <= most && !slices.Contains(names, d) {
				names = append(names, d)
			}
		}
	}
	switch {
	case len(names) == 0:
		return "the size of an axis of its inputs is not known"
	case len(names) > most:
		names[most] = "…"
	}
	return "its inputs' axes are not fixed (" + strings.Join(names, ", ") + ")"
}

// partitions counts the partitions in which the taken nodes would run. It is the
// greedy grouping of ONNX Runtime's CreateSupportedPartitionNodeGroups
// (onnxruntime/core/providers/partitioning_utils.cc): nodes in topological
// order join one partition until those that are left wait for a node that is
// not taken and that itself waits for the partition.
func (g *graph) partitions(taken []bool) (n int) {
	waits := append([]int{}, g.inputs...)
	border := map[int]bool{} // what consumes an output of the partition
	size := 0
	var now, later []int
	for i, w := range waits {
		if w == 0 {
			now = append(now, i)
		}
	}
	for len(now)+len(later) > 0 {
		if len(now) == 0 {
			if size > 0 {
				n++
			}
			size, border, now, later = 0, map[int]bool{}, later, nil
			continue
		}
		i := now[0]
		now = now[1:]
		if !taken[i] && border[i] {
			later = append(later, i)
			continue
		}
		if taken[i] {
			size++
		}
		for _, j := range g.next[i] {
			if taken[i] {
				border[j] = true
			}
			if waits[j]--; waits[j] == 0 {
				now = append(now, j)
			}
		}
	}
	if size > 0 {
		n++
	}
	return n
}
