package support

import "github.com/embedgate/embedgate/export/onnxfile"

// graph is the nodes of a model that are left to run, and what is known of
// their values.
type graph struct {
	nodes  []int // indices into the model's
	next   [][]int
	waits  []int // how many of a node's inputs other nodes make
	known  map[string]onnxfile.Tensor
	made   map[string]bool // by a node that is left
	inputs map[string]onnxfile.Value
}

func newGraph(m onnxfile.Model, known map[string]onnxfile.Tensor) *graph {
	g := &graph{known: known, made: map[string]bool{}, inputs: map[string]onnxfile.Value{}}
	for _, v := range m.Inputs {
		g.inputs[v.Name] = v
	}
	maker := map[string]int{}
	for i, n := range m.Nodes {
		if n.Inner || onnxfile.Folded(n, known) {
			continue
		}
		for _, o := range n.Outputs {
			if o != "" {
				maker[o], g.made[o] = len(g.nodes), true
			}
		}
		g.nodes = append(g.nodes, i)
	}
	g.next, g.waits = make([][]int, len(g.nodes)), make([]int, len(g.nodes))
	for i, n := range g.nodes {
		for _, in := range m.Nodes[n].Inputs {
			if from, ok := maker[in]; ok && in != "" {
				g.next[from] = append(g.next[from], i)
				g.waits[i]++
			}
		}
	}
	return g
}

// partitions counts the pieces in which the taken nodes would run. It is the
// greedy grouping of ONNX Runtime's CreateSupportedPartitionNodeGroups
// (onnxruntime/core/providers/partitioning_utils.cc): nodes in topological
// order join one piece until those that are left wait for a node that is not
// taken and that itself waits for the piece.
func (g *graph) partitions(taken []bool) (n int) {
	waits := append([]int{}, g.waits...)
	border := map[int]bool{} // what consumes an output of the piece
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
