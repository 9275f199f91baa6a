package check

import (
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers/support"
)

// ReadGraphs reads what the gate must know about each variant's file, by
// variant. A caller of Gate calls it first. A file that cannot be read is a
// graph with an Err, which the gate refuses; the other files are still read.
func ReadGraphs(c candidate.Candidate, p policy.Policy) map[string]Graph {
	graphs := map[string]Graph{}
	for name, v := range c.Manifest.Variants {
		graphs[name] = readGraph(filepath.Join(c.Dir, filepath.FromSlash(v.File)), p)
	}
	return graphs
}

func readGraph(file string, p policy.Policy) Graph {
	m, saturation, err := saturation.Read(file)
	if err != nil {
		return Graph{Err: err}
	}
	g := Graph{Costs: map[int]map[string]float64{}, Predicted: map[string]Prediction{}, Saturation: saturation}
	for _, b := range p.Latency.Budgets {
		costs, err := infer.Costs(m, 1, b.Tokens)
		if err != nil {
			g.Costs, g.CostErr = nil, err
			break
		}
		g.Costs[b.Tokens] = costs
	}
	for provider := range p.Providers {
		if predicted, ok := support.Predict(provider, m); ok {
			g.Predicted[provider] = predictionOf(predicted)
		}
	}
	return g
}

func predictionOf(s support.Prediction) Prediction {
	p := Prediction{Nodes: s.Nodes, Partitions: s.Partitions}
	for _, r := range s.Elsewhere {
		p.Refused = append(p.Refused, Refusal{Node: r.Node, Op: r.Op, Reason: r.Reason})
	}
	return p
}
