package good

import (
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// SafeSaturation is that of the largest weights that cannot saturate.
func SafeSaturation() saturation.Result {
	return saturation.Result{Products: 1, Columns: Width, Largest: saturation.PairLimit, Worst: "query"}
}

// Graph returns a graph of a few products of matrices, whose cost grows with
// the length.
func Graph(lengths []int) check.Graph {
	g := check.Graph{Costs: map[int]map[string]float64{}}
	for _, tokens := range lengths {
		g.Costs[tokens] = map[string]float64{}
		for _, n := range Nodes() {
			g.Costs[tokens][n] = 2 * float64(tokens) * Width * Width
		}
	}
	return g
}

// Width is the number of rows and columns of each weight.
const Width = 8

// Nodes returns the names of the products.
func Nodes() []string { return []string{"query", "key", "value", "output"} }

// Record is the placement record of Graph, run on the provider that the runtime
// calls ep.
func Record(tokens int, ep string) evidence.PlacementRun {
	r := evidence.PlacementRun{Tokens: tokens}
	shape := [][]int64{{1, int64(tokens), Width}}
	add := func(name, op string) {
		r.Assigned = append(r.Assigned, providers.Subgraph{EP: ep, Nodes: []providers.Node{{Name: name, Op: op}}})
		r.Events = append(r.Events, providers.NodeEvent{Name: name, Op: op, EP: ep, Inputs: shape, Outputs: shape, Runs: 2, NS: 2000})
	}
	for _, n := range Nodes() {
		add(n, "MatMul")
	}
	add("normalise", "LayerNormalization")
	return r
}

// devicePlan is the device plan of Graph on the devices that the policy wants.
func devicePlan(c check.Case, provider, variant string) (ops []providers.PlannedOp) {
	wanted := check.DevicesWanted(c, provider, variant)
	if wanted == nil {
		return nil
	}
	for range Nodes() {
		ops = append(ops, providers.PlannedOp{Op: "ios17.linear", Device: wanted[0], Cost: 0.2})
	}
	return append(ops, providers.PlannedOp{Op: "ios17.layer_norm", Device: wanted[0], Cost: 0.2})
}

// UnsafeSaturation is that of a file with one column that can saturate.
func UnsafeSaturation() saturation.Result {
	return saturation.Result{Products: 1, Columns: Width, Over: 1, Largest: saturation.PairLimit + 1, Worst: "query"}
}
