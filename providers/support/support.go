package support

import (
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
)

// Prediction is how a provider would take a model.
type Prediction struct {
	Provider   string `json:"provider"`
	Nodes      int    `json:"nodes"`       // that run; constants are computed before
	Partitions int    `json:"partitions"`  // parts of the graph that the provider would run, with other work between them
	OnProvider int    `json:"on_provider"` // nodes in the partitions
	// FLOPsShare is the share of matrix arithmetic in the partitions, 0 to 1; 0
	// where CostError says why it could not be counted.
	FLOPsShare float64   `json:"flops_share"`
	CostError  string    `json:"cost_error,omitempty"`
	Elsewhere  []Refusal `json:"elsewhere"` // the nodes that would run on the CPU, in the file's order
}

// Whole reports whether the provider would run all of the model as one
// partition.
func (p Prediction) Whole() bool {
	return p.Partitions == 1 && len(p.Elsewhere) == 0 && p.OnProvider == p.Nodes
}

// Refusal is one node that the provider would not take.
type Refusal struct {
	Node   string `json:"node"`
	Op     string `json:"op"`
	Reason string `json:"reason"`
}

// costRows and costCols are the text for which shares of arithmetic are
// counted where the graph does not fix its axes: shares move little with it.
const costRows, costCols = 1, 128

// Predict says how the named provider would take a model; ok is false where no
// table is kept for it. Fusions that a runtime makes before it partitions are
// left out: the nodes are the file's.
func Predict(provider string, m onnxfile.Model) (p Prediction, ok bool) {
	t, ok := tables[provider]
	if !ok {
		return Prediction{}, false
	}
	return t.predict(provider, m), true
}

// PredictFromRecord is Predict from a record of what was measured on the
// provider. That is no list of what it takes, so nothing may be refused because
// of it. ok is false where there is no record.
func PredictFromRecord(provider string, m onnxfile.Model) (p Prediction, ok bool) {
	t, ok := records[provider]
	if !ok {
		return Prediction{}, false
	}
	return t.predict(provider, m), true
}

// Sources returns where the provider's table or record comes from.
func Sources(provider string) []string {
	if t, ok := tables[provider]; ok {
		return t.source
	}
	return records[provider].source
}

func (t table) predict(provider string, m onnxfile.Model) Prediction {
	known := infer.Tensors(m, 0, 0)
	g := newGraph(m, known)
	costs, err := infer.NodeCosts(m, costRows, costCols)
	p := Prediction{Provider: provider, Nodes: len(g.nodes), Elsewhere: []Refusal{}}
	taken, total, onProvider := make([]bool, len(g.nodes)), 0.0, 0.0
	for i, n := range g.nodes {
		reason := t.refusal(node{Node: m.Nodes[n], g: g})
		if taken[i] = reason == ""; taken[i] {
			p.OnProvider++
		} else {
			p.Elsewhere = append(p.Elsewhere, Refusal{m.Nodes[n].Label(), m.Nodes[n].Kind(), reason})
		}
		if err == nil {
			total += costs[n]
			if taken[i] {
				onProvider += costs[n]
			}
		}
	}
	p.Partitions = g.partitions(taken)
	switch {
	case err != nil:
		p.CostError = err.Error()
	case total == 0:
		p.CostError = "the graph multiplies no matrices"
	default:
		p.FLOPsShare = onProvider / total
	}
	return p
}
