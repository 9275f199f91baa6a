package check

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile/saturation"
)

// Graph is what the gate knows about a variant's file. ReadGraphs reads it
// before anything is judged.
type Graph struct {
	// Err is why it may not be released; nil: it is valid ONNX, whole.
	Err error
	// Costs are the FLOPs of its matrix products by node, for one text of that
	// many tokens. A file of fixed length costs the same for each.
	Costs   map[int]map[string]float64
	CostErr error // why they could not be counted; Costs are then empty
	// Predicted says, by provider, which nodes it would run. A provider about
	// which too little is known has no entry, and no file is refused for it.
	Predicted map[string]Prediction
	// Saturation says whether products of 8-bit integers can saturate on x86
	// CPUs.
	Saturation saturation.Result
}

// Prediction says how a provider would run a graph, from the file alone.
type Prediction struct {
	Nodes      int       // that are left to run
	Partitions int       // subgraphs that the provider would run
	Refused    []Refusal // nodes that it would not run
}

// Refusal is a node that a provider would not run.
type Refusal struct{ Node, Op, Reason string }

// TotalCost adds in the order of the names, so that the sum is always the same.
func TotalCost(costs map[string]float64) (sum float64) {
	for _, n := range slices.Sorted(maps.Keys(costs)) {
		sum += costs[n]
	}
	return sum
}
