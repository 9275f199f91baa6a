package placement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
)

const cpuEP, cudaEP = "CPUExecutionProvider", "CUDAExecutionProvider"

// move assigns the nodes of an operator to another provider, as a silent
// fallback does.
func move(e *evidence.Evidence, op, to string) {
	for i := range e.Placement {
		r := &e.Placement[i]
		for k := range r.Events {
			if r.Events[k].Op == op || op == "" {
				r.Events[k].EP, r.Assigned[k].EP = to, to
			}
		}
	}
}

func TestASilentFallbackIsAFailThatNamesTheNodes(t *testing.T) {
	row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) { move(e, "MatMul", cpuEP) })
	assert.Equal(t, []string{"FAIL placement/FLOPs", "FAIL placement/nodes", "FAIL placement/time", "FAIL placement/elsewhere"}, validatetest.Failures(row))
	f := validatetest.Item(t, row, "placement", "FLOPs")
	assert.Equal(t, "0.00 % on CUDAExecutionProvider at 16 tokens", f.Measured)
	assert.Contains(t, f.Next, "Part of the model fell back: MatMul ×4 on CPUExecutionProvider.")
	f = validatetest.Item(t, row, "placement", "elsewhere")
	assert.Equal(t, "MatMul ×4 on CPUExecutionProvider", f.Measured)
	assert.Equal(t, "no operator but Shape", f.Threshold)
	assert.Contains(t, f.Next, "nodes key, query, value")
}

func TestAProviderThatIsAvailableAndRunsNothingIsNamed(t *testing.T) {
	row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) { move(e, "", cpuEP) })
	next := validatetest.Item(t, row, "placement", "FLOPs").Next
	assert.Contains(t, next, "cuda reports itself available and ran nothing: MatMul ×4 on CPUExecutionProvider, LayerNormalization on CPUExecutionProvider.")
	assert.Contains(t, next, "embedgate doctor")
}

func TestTheListOfAllowedFallbacksIsExact(t *testing.T) {
	for name, c := range map[string]struct {
		op   string
		want []string
	}{
		"an operator on the list": {"Shape", nil},
		"one that is not on it":   {"Erf", []string{"FAIL placement/elsewhere"}},
		"a name with that prefix": {"ShapeOf", []string{"FAIL placement/elsewhere"}},
	} {
		row := gatetest.OnCUDA(t, func(in *check.Input, e *evidence.Evidence) {
			in.Policy.Providers["cuda"].Placement.MinNodes = nil // one of six is many
			for i := range e.Placement {
				r := &e.Placement[i]
				r.Events = append(r.Events, providers.NodeEvent{Name: "x", Op: c.op, EP: cpuEP, Runs: 2, NS: 3})
			}
		})
		assert.Equal(t, c.want, validatetest.Failures(row), name)
		assert.Equal(t, []string{c.op + " on CPUExecutionProvider"}, row.Placement[0].Elsewhere, name)
	}
}

func TestACompiledSubgraphCountsAsTheNodesInIt(t *testing.T) {
	compile := func(left int) func(in *check.Input, e *evidence.Evidence) {
		return func(_ *check.Input, e *evidence.Evidence) {
			for i := range e.Placement {
				r := &e.Placement[i]
				fused := providers.Subgraph{EP: cudaEP}
				for _, g := range r.Assigned[left:] {
					fused.Nodes = append(fused.Nodes, g.Nodes...)
				}
				kept := r.Events[:left:left]
				for k := range kept {
					kept[k].EP, r.Assigned[k].EP = cpuEP, cpuEP
				}
				r.Events = append(kept, providers.NodeEvent{Name: "Fused_7_0_1", Op: "Fused_7_0", EP: cudaEP, Runs: 2, NS: 1e6})
				r.Assigned = append(r.Assigned[:left:left], fused)
			}
		}
	}
	row := gatetest.OnCUDA(t, compile(0))
	assert.Empty(t, validatetest.Failures(row))
	assert.Equal(t, 1.0, row.Placement[0].FLOPsShare)
	row = gatetest.OnCUDA(t, compile(1))
	assert.Equal(t, 0.75, row.Placement[0].FLOPsShare, "one of four products was left to the CPU")
	assert.Contains(t, validatetest.Failures(row), "FAIL placement/FLOPs")
	assert.Contains(t, validatetest.Failures(row), "FAIL placement/elsewhere")

	row = gatetest.OnCUDA(t, func(in *check.Input, e *evidence.Evidence) {
		compile(0)(in, e)
		e.Placement[0].Assigned[0].Nodes = e.Placement[0].Assigned[0].Nodes[:2]
	})
	assert.Equal(t, []string{"FAIL placement/record"}, validatetest.Failures(row), "nodes that were assigned to no provider may have run anywhere")
}

func TestARecordThatCannotBeTrueIsRefused(t *testing.T) {
	first := func(spoil func(r *evidence.PlacementRun)) func(in *check.Input, e *evidence.Evidence) {
		return func(_ *check.Input, e *evidence.Evidence) { spoil(&e.Placement[0]) }
	}
	for name, c := range map[string]struct {
		spoil func(in *check.Input, e *evidence.Evidence)
		want  string
	}{
		"a product left out": {first(func(r *evidence.PlacementRun) { r.Events = r.Events[1:] }), "16 tokens: the record has 6144 of the graph's 8192 FLOPs"},
		"a product added":    {first(func(r *evidence.PlacementRun) { r.Events = append(r.Events, r.Events[0]) }), "the record has 10240 of"},
		"a length left out":  {func(_ *check.Input, e *evidence.Evidence) { e.Placement = e.Placement[1:] }, "16 tokens: not one record"},
		"a length too many": {func(_ *check.Input, e *evidence.Evidence) {
			r := e.Placement[0]
			r.Tokens = 7
			e.Placement = append(e.Placement, r)
		}, "7 tokens, which was not planned"},
		"no nodes given":          {first(func(r *evidence.PlacementRun) { r.Assigned = nil }), "no node was given"},
		"nothing executed":        {first(func(r *evidence.PlacementRun) { r.Events = nil }), "no node was executed"},
		"a node that never ran":   {first(func(r *evidence.PlacementRun) { r.Events[0].Runs = 0 }), "ran 0 times"},
		"time that runs backward": {first(func(r *evidence.PlacementRun) { r.Events[0].NS = -1 }), "took -1 ns"},
		"a negative axis":         {first(func(r *evidence.PlacementRun) { r.Events[0].Inputs = [][]int64{{1, -16, 8}} }), "shape [1 -16 8]"},
		"an axis beyond memory":   {first(func(r *evidence.PlacementRun) { r.Events[0].Outputs = [][]int64{{1 << 40}} }), "shape [1099511627776]"},
		"too many axes":           {first(func(r *evidence.PlacementRun) { r.Events[0].Outputs = [][]int64{make([]int64, 17)} }), "shape [0 0"},
		"shapes left out":         {first(func(r *evidence.PlacementRun) { r.Events[0].Inputs, r.Events[0].Name = nil, "odd" }), "MatMul odd has no shapes"},
		"more than a model has":   {first(func(r *evidence.PlacementRun) { r.Events = make([]providers.NodeEvent, 100_001) }), "100001 events"},
		"a graph whose FLOPs cannot be counted": {func(in *check.Input, _ *evidence.Evidence) {
			in.Graphs["fp32"] = check.Graph{CostErr: errors.New("an operator without a formula")}
		}, "an operator without a formula"},
		"a graph that was not read": {func(in *check.Input, _ *evidence.Evidence) { in.Graphs = nil }, "own arithmetic is not known"},
	} {
		row := gatetest.OnCUDA(t, c.spoil)
		assert.Contains(t, validatetest.Failures(row), "FAIL placement/record", name)
		assert.Contains(t, validatetest.Item(t, row, "placement", "record").Measured, c.want, name)
		assert.Empty(t, row.Placement, "%s: no shares of a refused record", name)
	}
}

func TestARecordIsComparedWithTheGraphsNames(t *testing.T) {
	renamed := func(name func(string) string) func(in *check.Input, e *evidence.Evidence) {
		return func(_ *check.Input, e *evidence.Evidence) {
			for i := range e.Placement {
				r := &e.Placement[i]
				for k := range r.Events {
					r.Events[k].Name = name(r.Events[k].Name)
				}
				for k := range r.Assigned {
					r.Assigned[k].Nodes[0].Name = name(r.Assigned[k].Nodes[0].Name)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(in *check.Input, e *evidence.Evidence)
		want  string // "": it passes
	}{
		"another graph's names":     {renamed(func(n string) string { return "blocks." + n }), "16 tokens: 0.00 % of the graph's arithmetic"},
		"names with that prefix":    {renamed(func(n string) string { return n + "2" }), "0.00 % of the graph's arithmetic"},
		"what an optimizer appends": {renamed(func(n string) string { return n + "/MatMulAddFusion/" }), ""},
		"a third fused into one":    {renamed(func(n string) string { return map[bool]string{true: "Attention_0", false: n}[n == "query"] }), ""},
		"one name twice":            {renamed(func(n string) string { return map[bool]string{true: "query", false: n}[n == "key"] }), "node query is there twice"},
		"arithmetic moved between nodes": {func(_ *check.Input, e *evidence.Evidence) {
			for i := range e.Placement {
				r := &e.Placement[i]
				wide := [][]int64{{1, int64(r.Tokens), 2 * good.Width}}
				r.Events[0].Inputs, r.Events[1].Inputs = wide, [][]int64{{1, int64(r.Tokens), 0}}
			}
		}, "node query has 4096 FLOPs, and 2048 in the graph"},
		"a graph without names": {func(in *check.Input, e *evidence.Evidence) {
			g := validatetest.SmallGraph()
			for _, costs := range g.Costs {
				for _, n := range good.Nodes() {
					costs["MatMul("+n+")"] = costs[n]
					delete(costs, n)
				}
			}
			in.Graphs["fp32"] = g
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			row := gatetest.OnCUDA(t, c.spoil)
			if c.want == "" {
				assert.Empty(t, validatetest.Failures(row))
				return
			}
			assert.Equal(t, []string{"FAIL placement/record"}, validatetest.Failures(row))
			assert.Contains(t, validatetest.Item(t, row, "placement", "record").Measured, c.want)
		})
	}
}

func TestARecordMayLackShapesThatTheGraphKnows(t *testing.T) {
	row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) {
		for i := range e.Placement {
			e.Placement[i].Events[0].Inputs, e.Placement[i].Events[0].Outputs = nil, nil
		}
	})
	assert.Empty(t, validatetest.Failures(row))
}

func TestAGraphWithoutProductsIsJudgedByItsNodes(t *testing.T) {
	spoil := func(ep string) func(in *check.Input, e *evidence.Evidence) {
		return func(in *check.Input, e *evidence.Evidence) {
			g := check.Graph{Costs: map[int]map[string]float64{}}
			for i := range e.Placement {
				r := &e.Placement[i]
				g.Costs[r.Tokens] = map[string]float64{"identity": 0}
				r.Assigned = []providers.Subgraph{{EP: ep, Nodes: []providers.Node{{Name: "identity", Op: "Identity"}}}}
				r.Events = []providers.NodeEvent{{Name: "identity", Op: "Identity", EP: ep, Runs: 1, NS: 5}}
			}
			in.Graphs["fp32"] = g
		}
	}
	assert.Empty(t, validatetest.Failures(gatetest.OnCUDA(t, spoil(cudaEP))))
	assert.Contains(t, validatetest.Failures(gatetest.OnCUDA(t, spoil(cpuEP))), "FAIL placement/FLOPs")
}

// ONNX Runtime 1.30 records WebGPU like this: some nodes assigned to the CPU,
// and no assignment of the others, which ran on WebGPU.
func TestAProviderWhoseAssignmentIsNotRecordedIsCountedByWhatItRan(t *testing.T) {
	for ep, want := range map[string][]string{
		cudaEP: nil,
		cpuEP:  {"FAIL placement/FLOPs", "FAIL placement/nodes", "FAIL placement/time", "FAIL placement/elsewhere"},
	} {
		row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) {
			for i := range e.Placement {
				r := &e.Placement[i]
				for k := range r.Events {
					r.Events[k].EP = ep
				}
				for k := range 5 { // so that one node of eleven is elsewhere
					n := r.Events[0]
					n.Name, n.Op = fmt.Sprintf("add_%d", k), "Add"
					r.Events = append(r.Events, n)
				}
				r.Assigned = []providers.Subgraph{{EP: cpuEP, Nodes: []providers.Node{{Name: "shape_0", Op: "Shape"}}}}
				r.Events = append(r.Events, providers.NodeEvent{Name: "shape_0", Op: "Shape", EP: cpuEP, Runs: 2, NS: 1})
			}
		})
		assert.Equal(t, want, validatetest.Failures(row), ep)
		if ep == cudaEP {
			assert.InDelta(t, 10.0/11, row.Placement[0].NodeShare, 1e-9)
		}
	}
}

func TestAPolicyWithoutPlacementProvesNothing(t *testing.T) {
	row := gatetest.OnCUDA(t, func(in *check.Input, _ *evidence.Evidence) {
		p := in.Policy.Providers["cuda"]
		p.Placement = nil
		in.Policy.Providers["cuda"] = p
	})
	assert.Equal(t, []string{"FAIL placement/threshold"}, validatetest.Failures(row))
}

func TestHostileNamesStayShort(t *testing.T) {
	row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) {
		for k := range 50 {
			e.Placement[0].Events = append(e.Placement[0].Events, providers.NodeEvent{
				Name: strings.Repeat("n", 5000), Op: fmt.Sprintf("%02d%s", k, strings.Repeat("o", 5000)), EP: strings.Repeat("e", 5000), Runs: 2,
			})
		}
	})
	for _, f := range row.Findings {
		assert.Less(t, len(f.Measured)+len(f.Next), 3000, f.Item)
	}
}
