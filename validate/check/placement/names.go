package placement

import (
	"math"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// leastNamed is the share of the graph's FLOPs that a record must have under
// the graph's own names. An optimizer that fuses several products, as for
// attention, gives the result a name of its own. In a BERT, two thirds of the
// FLOPs are in products that no optimizer fuses with each other.
const leastNamed = 0.5

// namesOf compares a record with the graph, name by name: another model could
// have the same sums. costs are the graph's, per node.
//
// ONNX Runtime keeps the name of a product that it changes or fuses with other
// operators (MatMulIntegerToFloat, DynamicQuantizeMatMul, MatMul with
// Transpose), or appends to it after a slash ("x/MatMulAddFusion"). Nodes that
// have no name in the file get one from the runtime, and are not compared.
func namesOf(r evidence.PlacementRun, costs map[string]float64) (p check.Problems) {
	at := evidence.LatencyPoint{Tokens: r.Tokens, Batch: 1}.Label()
	known, total := map[string]float64{}, 0.0
	for name, cost := range costs {
		if cost > 0 && !isGeneratedName(name) {
			known[name] = cost
			total += cost
		}
	}
	if total == 0 {
		return nil
	}
	seen, named := map[string]bool{}, 0.0
	for _, e := range r.Events {
		flops, ok := flopsOf(e)
		if compiled(e) || flops == 0 && ok {
			continue
		}
		cost, exact := known[e.Name]
		if !ok {
			flops = cost
		}
		switch {
		case !exact:
			if base, ok := baseName(e.Name, known); ok && !seen[base] {
				seen[base] = true
				named += min(flops, known[base])
			}
			continue
		case seen[e.Name]:
			p.Add("%s: node %s is there twice", at, text.Clip(e.Name))
		case flops < (1-agreement)*cost || flops > (1+agreement)*cost && !isAttention(e):
			p.Add("%s: node %s has %s FLOPs, and %s in the graph", at, text.Clip(e.Name), check.Number(flops), check.Number(cost))
		}
		if !seen[e.Name] {
			seen[e.Name] = true
			named += min(flops, cost)
		}
	}
	// The nodes of a compiled subgraph are among those assigned to its provider.
	fused := map[string]bool{}
	for _, e := range r.Events {
		fused[e.EP] = fused[e.EP] || compiled(e)
	}
	for _, g := range r.Assigned {
		for _, n := range g.Nodes {
			if cost := known[n.Name]; fused[g.EP] && !seen[n.Name] && cost > 0 {
				seen[n.Name] = true
				named += cost
			}
		}
	}
	if !(named >= leastNamed*total) {
		p.Add("%s: %s of the graph's arithmetic is there under its nodes' names: the record is another graph's", at, text.Percent(math.Max(named, 0)/total))
	}
	return p
}

// isGeneratedName reports whether a name is a label, "Op(output)", which a node
// without a name gets.
func isGeneratedName(label string) bool {
	return strings.HasSuffix(label, ")") && strings.Contains(label, "(")
}

// isAttention reports whether an operator does the work of several products.
func isAttention(e providers.NodeEvent) bool {
	return slices.Contains([]string{"Attention", "QAttention", "MultiHeadAttention", "GroupQueryAttention"}, e.Op)
}

// baseName returns the graph's name to which an optimizer appended something.
func baseName(name string, known map[string]float64) (string, bool) {
	for {
		i := strings.LastIndexByte(name, '/')
		if i <= 0 {
			return "", false
		}
		if name = name[:i]; known[name] > 0 {
			return name, true
		}
	}
}
