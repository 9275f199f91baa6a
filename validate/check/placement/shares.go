package placement

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// shares says where the nodes ran for one text, by a record.
type shares struct {
	tokens               int
	nodes, ownNodes      int                         // assigned nodes
	flops, ownFLOPs      float64                     // of one run
	ns, ownNS            float64                     // of all runs
	fallbacks            map[fallback]*fallbackCount // by operator and provider
	perEP                map[string]float64          // FLOPs
	products             bool                        // whether any node multiplies matrices
	nodeShare, timeShare float64
}

// A fallback is an operator that ran on another provider.
type fallback struct{ op, ep string }

type fallbackCount struct {
	assigned, executed int
	names              []string // of the first few
}

func (s *fallbackCount) count() int { return max(s.assigned, s.executed) }

// The limits of a record, so that a hostile one is refused before it costs
// time: an embedding model has some hundreds of nodes.
const (
	maxRecorded = 100_000
	maxAxes     = 16
	maxAxis     = 1 << 31
)

// recordProblems refuses numbers that no runtime records.
func recordProblems(r evidence.PlacementRun) (p check.Problems) {
	at := evidence.LatencyPoint{Tokens: r.Tokens, Batch: 1}.Label()
	nodes := 0
	for _, s := range r.Assigned {
		nodes += len(s.Nodes)
	}
	switch {
	case nodes > maxRecorded || len(r.Assigned) > maxRecorded || len(r.Events) > maxRecorded:
		p.Add("%s: a record of %d nodes and %d events", at, nodes, len(r.Events))
		return p
	case nodes == 0:
		p.Add("%s: no node was given to any provider", at)
	case len(r.Events) == 0:
		p.Add("%s: no node was executed", at)
	}
	for _, e := range r.Events {
		switch {
		case e.Runs < 1:
			p.Add("%s: node %s ran %d times", at, text.Clip(e.Name), e.Runs)
		case e.NS < 0 || e.NS > math.MaxInt64/maxRecorded:
			p.Add("%s: node %s took %d ns", at, text.Clip(e.Name), e.NS)
		}
		for _, dims := range slices.Concat(e.Inputs, e.Outputs) {
			if len(dims) > maxAxes || slices.ContainsFunc(dims, func(d int64) bool { return d < 0 || d > maxAxis }) {
				p.Add("%s: node %s has a tensor of shape %s", at, text.Clip(e.Name), text.Clip(fmt.Sprint(dims)))
			}
		}
	}
	return p
}

// sharesOf adds up a record without problems, for the provider that the runtime
// calls ep. costs are the graph's own, by node. The event of a compiled
// subgraph has no FLOPs of its own: it counts as the nodes that were assigned
// to its provider and have no event.
func sharesOf(r evidence.PlacementRun, ep string, costs map[string]float64) (shares, check.Problems) {
	s := shares{tokens: r.Tokens, fallbacks: map[fallback]*fallbackCount{}, perEP: map[string]float64{}}
	var p check.Problems
	runs := math.MaxInt
	for _, e := range r.Events {
		runs = min(runs, e.Runs)
	}
	ran, fused := map[string]bool{}, map[string]bool{}
	for _, e := range r.Events {
		ran[e.Name] = true
		s.ns += float64(e.NS)
		if e.EP == ep {
			s.ownNS += float64(e.NS)
		} else {
			s.countOf(e.Op, e.EP, e.Name).executed++
		}
		if compiled(e) {
			fused[e.EP] = true
			continue
		}
		flops, ok := flopsOf(e)
		if !ok {
			flops, ok = costs[e.Name]
		}
		if !ok {
			p.Add("%s: %s %s has no shapes to count its arithmetic from", evidence.LatencyPoint{Tokens: r.Tokens, Batch: 1}.Label(), text.Clip(e.Op), text.Clip(e.Name))
		}
		s.perEP[e.EP] += flops * float64(e.Runs) / float64(runs)
	}
	given := map[string]bool{}
	for _, g := range r.Assigned {
		given[g.EP] = given[g.EP] || len(g.Nodes) > 0
		s.nodes += len(g.Nodes)
		if g.EP == ep {
			s.ownNodes += len(g.Nodes)
		}
		for _, n := range g.Nodes {
			if g.EP != ep {
				s.countOf(n.Op, g.EP, n.Name).assigned++
			}
			if fused[g.EP] && !ran[n.Name] {
				s.perEP[g.EP] += costs[n.Name]
			}
		}
	}
	// ONNX Runtime 1.30 records no assignment for its WebGPU provider, only for
	// the CPU. The nodes that a provider ran then count as assigned to it.
	for _, e := range r.Events {
		if !given[e.EP] && !compiled(e) {
			s.nodes++
			if e.EP == ep {
				s.ownNodes++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.perEP)) {
		s.flops += s.perEP[name]
	}
	s.ownFLOPs = s.perEP[ep]
	s.products = check.TotalCost(costs) > 0 || s.flops > 0
	s.nodeShare, s.timeShare = ratio(float64(s.ownNodes), float64(s.nodes)), ratio(s.ownNS, s.ns)
	return s, p
}

// countOf returns the count of one fallback, and remembers the node's name.
func (s *shares) countOf(op, ep, node string) *fallbackCount {
	k := fallback{op, ep}
	if s.fallbacks[k] == nil {
		s.fallbacks[k] = &fallbackCount{}
	}
	if t := s.fallbacks[k]; len(t.names) < 3 && !slices.Contains(t.names, node) {
		t.names = append(t.names, node)
	}
	return s.fallbacks[k]
}

// flopsShare returns the provider's share of the FLOPs, or of the nodes where
// the graph multiplies no matrices.
func (s shares) flopsShare() float64 {
	if !s.products {
		return s.nodeShare
	}
	return ratio(s.ownFLOPs, s.flops)
}

// sortedFallbacks returns what ran on another provider, sorted by operator and
// provider.
func (s shares) sortedFallbacks() []fallback {
	return slices.SortedFunc(maps.Keys(s.fallbacks), func(a, b fallback) int {
		return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.ep, b.ep))
	})
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// describe formats a fallback: "MatMul ×49 on CPUExecutionProvider".
func (s shares) describe(k fallback) string {
	n := ""
	if c := s.fallbacks[k].count(); c > 1 {
		n = fmt.Sprintf(" ×%d", c)
	}
	return text.Clip(k.op) + n + " on " + text.Clip(k.ep)
}

// recordOfLength returns the record of one length, nil where there is none or
// several.
func recordOfLength(all []evidence.PlacementRun, tokens int) *evidence.PlacementRun {
	var found *evidence.PlacementRun
	for i := range all {
		if all[i].Tokens == tokens {
			if found != nil {
				return nil
			}
			found = &all[i]
		}
	}
	return found
}
