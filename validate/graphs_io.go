package validate

import (
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// ReadGraphs reads what the gate must know of each variant's file, by variant:
// whoever calls Gate calls it first. A file that cannot be read is a graph with
// an Err, which the gate refuses; nothing of it stops the others.
func ReadGraphs(c candidate.Candidate, p policy.Policy) map[string]Graph {
	graphs := map[string]Graph{}
	for name, v := range c.Manifest.Variants {
		graphs[name] = readGraph(filepath.Join(c.Dir, filepath.FromSlash(v.File)), p)
	}
	return graphs
}

func readGraph(file string, p policy.Policy) Graph {
	m, err := onnxfile.Read(file)
	if err != nil {
		return Graph{Err: err}
	}
	g := Graph{Costs: map[int]map[string]float64{}, Predicted: map[string]Prediction{}}
	for _, b := range p.Latency.Budgets {
		costs, err := costsOf(m, b.Tokens)
		if err != nil {
			return Graph{CostErr: err}
		}
		g.Costs[b.Tokens] = costs
	}
	for provider := range p.Providers {
		if predicted, ok := predict(provider, m); ok {
			g.Predicted[provider] = predicted
		}
	}
	return g
}
