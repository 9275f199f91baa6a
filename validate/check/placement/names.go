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

// leastNamed is the share of the graph's arithmetic that a record must hold
// under the graph's own names. An optimizer that fuses products, as attention,
// names the result itself: of a BERT two thirds of the arithmetic lie in
// products that none fuses with each other.
const leastNamed = 0.5

// namesOf holds a record against the graph, name by name: equal sums could be
// those of another model. costs are the graph's, per node.
//
// ONNX Runtime keeps the name of a product that it changes or fuses with what
// is no product (MatMulIntegerToFloat, DynamicQuantizeMatMul, MatMul with
// Transpose), or appends to it behind a slash ("x/MatMulAddFusion"). Nodes that
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
	// What a provider compiled shows in what it was given.
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

// made tells whether a name is a Label, which a node without a name has.
func isGeneratedName(label string) bool {
	return strings.HasSuffix(label, ")") && strings.Contains(label, "(")
}

// absorbs tells whether an operator does the work of several products.
func isAttention(e providers.NodeEvent) bool {
	return slices.Contains([]string{"Attention", "QAttention", "MultiHeadAttention", "GroupQueryAttention"}, e.Op)
}

// baseName is the graph's name that an optimizer appended something to.
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
