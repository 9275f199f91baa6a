package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/providers"
)

func event(op string, outputs []int64, inputs ...[]int64) providers.NodeEvent {
	return providers.NodeEvent{Name: "n", Op: op, Inputs: inputs, Outputs: [][]int64{outputs}, Runs: 1}
}

// Shapes as ONNX Runtime 1.32 recorded them for the real model; the CPU's
// records have no weights, for it packed them.
func TestArithmeticIsCountedFromRecordedShapes(t *testing.T) {
	const dense, ffn, scores = 2 * 16 * 384 * 384, 2 * 16 * 384 * 1536, 2 * 12 * 16 * 16 * 32
	for name, c := range map[string]struct {
		event providers.NodeEvent
		want  float64
	}{
		"a product with its weights":        {event("MatMul", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384, 384}), dense},
		"a product with packed weights":     {event("MatMul", []int64{1, 16, 1536}, []int64{1, 16, 384}), ffn},
		"scores":                            {event("MatMul", []int64{1, 12, 16, 16}, []int64{1, 12, 16, 32}, []int64{1, 12, 32, 16}), scores},
		"context":                           {event("MatMul", []int64{1, 12, 16, 32}, []int64{1, 12, 16, 16}, []int64{1, 12, 16, 32}), scores},
		"a transposed first input":          {event("FusedMatMul", []int64{1, 12, 16, 20}, []int64{1, 12, 32, 16}), 2 * 12 * 16 * 20 * 32},
		"a row by a matrix":                 {event("MatMul", []int64{5}, []int64{3}, []int64{3, 5}), 30},
		"int8 with scales":                  {event("MatMulIntegerToFloat", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{}, []int64{384}), dense},
		"int8 that quantises itself":        {event("DynamicQuantizeMatMul", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384}), dense},
		"blocks of bits":                    {event("MatMulNBits", []int64{1, 16, 384}, []int64{1, 16, 1536}, []int64{384, 48, 16}), ffn},
		"ONNX's attention of four axes":     {event("Attention", []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}), 2 * scores},
		"attention of three axes":           {event("MultiHeadAttention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1, 16, 384}), 2 * scores},
		"attention that projects":           {event("Attention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384, 1152}, []int64{1152}), 3*dense + 2*scores},
		"attention that packed its weights": {event("QAttention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1152}), 3*dense + 2*scores},
		"a convolution":                     {event("Conv", []int64{1, 8, 10, 10}, []int64{1, 3, 12, 12}, []int64{8, 3, 3, 3}), 2 * 8 * 100 * 27},
		"what multiplies no matrices":       {event("Softmax", []int64{1, 12, 16, 16}, []int64{1, 12, 16, 16}), 0},
	} {
		got, ok := flopsOf(c.event)
		assert.True(t, ok, name)
		assert.Equal(t, c.want, got, name)
	}
	for name, e := range map[string]providers.NodeEvent{
		"a product without shapes":        {Op: "MatMul"},
		"a product of nothing":            event("MatMul", []int64{1}, []int64{}),
		"attention packed into one":       event("GroupQueryAttention", []int64{1, 16, 384}, []int64{1, 16, 1152}),
		"attention without shapes":        {Op: "Attention"},
		"attention of vectors":            event("Attention", []int64{3}, []int64{3}),
		"a convolution with lost weights": event("Conv", []int64{1, 8, 10, 10}, []int64{1, 3, 12, 12}),
	} {
		_, ok := flopsOf(e)
		assert.False(t, ok, name)
	}
}

// onCUDA judges cuda × fp32 with its records spoiled.
func onCUDA(t *testing.T, spoil func(in *Input, e *Evidence)) Row {
	in := smallInput(t)
	e := evidenceFor(t, in, "cuda", "fp32")
	spoil(&in, &e)
	in.Evidence = []Evidence{e}
	return rowOf(t, gate(t, in), "cuda", "fp32")
}

const cpuEP, cudaEP = "CPUExecutionProvider", "CUDAExecutionProvider"

// move gives the nodes of an operator to another provider, as a silent
// fall-back does.
func move(e *Evidence, op, to string) {
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
	row := onCUDA(t, func(_ *Input, e *Evidence) { move(e, "MatMul", cpuEP) })
	assert.Equal(t, []string{"FAIL placement/FLOPs", "FAIL placement/nodes", "FAIL placement/time", "FAIL placement/elsewhere"}, failures(row))
	f := item(t, row, "placement", "FLOPs")
	assert.Equal(t, "0.00 % on CUDAExecutionProvider at 16 tokens", f.Measured)
	assert.Contains(t, f.Next, "Part of the model fell back: MatMul ×4 on CPUExecutionProvider.")
	f = item(t, row, "placement", "elsewhere")
	assert.Equal(t, "MatMul ×4 on CPUExecutionProvider", f.Measured)
	assert.Equal(t, "no operator but Shape", f.Threshold)
	assert.Contains(t, f.Next, "nodes key, query, value")
}

func TestAProviderThatIsAvailableAndRunsNothingIsNamed(t *testing.T) {
	row := onCUDA(t, func(_ *Input, e *Evidence) { move(e, "", cpuEP) })
	next := item(t, row, "placement", "FLOPs").Next
	assert.Contains(t, next, "cuda reports itself available and ran nothing: MatMul ×4 on CPUExecutionProvider, LayerNormalization on CPUExecutionProvider.")
	assert.Contains(t, next, "embedgate doctor")
}

func TestTheListOfWhatMayRunElsewhereIsExact(t *testing.T) {
	for name, c := range map[string]struct {
		op   string
		want []string
	}{
		"an operator on the list": {"Shape", nil},
		"one that is not on it":   {"Erf", []string{"FAIL placement/elsewhere"}},
		"a name that begins so":   {"ShapeOf", []string{"FAIL placement/elsewhere"}},
	} {
		row := onCUDA(t, func(in *Input, e *Evidence) {
			in.Policy.Providers["cuda"].Placement.MinNodes = nil // one of six is many
			for i := range e.Placement {
				r := &e.Placement[i]
				r.Events = append(r.Events, providers.NodeEvent{Name: "x", Op: c.op, EP: cpuEP, Runs: 2, NS: 3})
			}
		})
		assert.Equal(t, c.want, failures(row), name)
		assert.Equal(t, []string{c.op + " on CPUExecutionProvider"}, row.Placement[0].Elsewhere, name)
	}
}

func TestACompiledSubgraphIsWorthTheNodesInIt(t *testing.T) {
	compile := func(left int) func(in *Input, e *Evidence) {
		return func(_ *Input, e *Evidence) {
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
	row := onCUDA(t, compile(0))
	assert.Empty(t, failures(row))
	assert.Equal(t, 1.0, row.Placement[0].FLOPsShare)
	row = onCUDA(t, compile(1))
	assert.Equal(t, 0.75, row.Placement[0].FLOPsShare, "one of four products was left to the CPU")
	assert.Contains(t, failures(row), "FAIL placement/FLOPs")
	assert.Contains(t, failures(row), "FAIL placement/elsewhere")

	row = onCUDA(t, func(in *Input, e *Evidence) {
		compile(0)(in, e)
		e.Placement[0].Assigned[0].Nodes = e.Placement[0].Assigned[0].Nodes[:2]
	})
	assert.Equal(t, []string{"FAIL placement/record"}, failures(row), "nodes that nobody was given may have run anywhere")
}

func TestARecordThatCannotBeTrueIsRefused(t *testing.T) {
	first := func(spoil func(r *PlacementRun)) func(in *Input, e *Evidence) {
		return func(_ *Input, e *Evidence) { spoil(&e.Placement[0]) }
	}
	for name, c := range map[string]struct {
		spoil func(in *Input, e *Evidence)
		want  string
	}{
		"a product left out":      {first(func(r *PlacementRun) { r.Events = r.Events[1:] }), "16 tokens: the record has 6144 of the graph's 8192 FLOPs"},
		"a product added":         {first(func(r *PlacementRun) { r.Events = append(r.Events, r.Events[0]) }), "the record has 10240 of"},
		"a length left out":       {func(_ *Input, e *Evidence) { e.Placement = e.Placement[1:] }, "16 tokens: not one record"},
		"a length too many":       {func(_ *Input, e *Evidence) { r := e.Placement[0]; r.Tokens = 7; e.Placement = append(e.Placement, r) }, "7 tokens, which nobody planned"},
		"no nodes given":          {first(func(r *PlacementRun) { r.Assigned = nil }), "no node was given"},
		"nothing executed":        {first(func(r *PlacementRun) { r.Events = nil }), "no node was executed"},
		"a node that never ran":   {first(func(r *PlacementRun) { r.Events[0].Runs = 0 }), "ran 0 times"},
		"time that runs backward": {first(func(r *PlacementRun) { r.Events[0].NS = -1 }), "took -1 ns"},
		"a negative axis":         {first(func(r *PlacementRun) { r.Events[0].Inputs = [][]int64{{1, -16, 8}} }), "shape [1 -16 8]"},
		"an axis beyond memory":   {first(func(r *PlacementRun) { r.Events[0].Outputs = [][]int64{{1 << 40}} }), "shape [1099511627776]"},
		"too many axes":           {first(func(r *PlacementRun) { r.Events[0].Outputs = [][]int64{make([]int64, 17)} }), "shape [0 0"},
		"shapes left out":         {first(func(r *PlacementRun) { r.Events[0].Inputs, r.Events[0].Name = nil, "odd" }), "MatMul odd has no shapes"},
		"more than a model has":   {first(func(r *PlacementRun) { r.Events = make([]providers.NodeEvent, maxRecorded+1) }), "100001 events"},
		"a graph nobody can count": {func(in *Input, _ *Evidence) {
			in.Graphs["fp32"] = Graph{CostErr: errors.New("an operator without a formula")}
		}, "an operator without a formula"},
		"a graph nobody read": {func(in *Input, _ *Evidence) { in.Graphs = nil }, "own arithmetic is not known"},
	} {
		row := onCUDA(t, c.spoil)
		assert.Contains(t, failures(row), "FAIL placement/record", name)
		assert.Contains(t, item(t, row, "placement", "record").Measured, c.want, name)
		assert.Empty(t, row.Placement, "%s: no shares of what is not believed", name)
	}
}

func TestARecordIsHeldAgainstTheGraphsNames(t *testing.T) {
	renamed := func(name func(string) string) func(in *Input, e *Evidence) {
		return func(_ *Input, e *Evidence) {
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
		spoil func(in *Input, e *Evidence)
		want  string // "": it passes
	}{
		"another graph's names":     {renamed(func(n string) string { return "blocks." + n }), "16 tokens: 0.00 % of the graph's arithmetic"},
		"names that begin so":       {renamed(func(n string) string { return n + "2" }), "0.00 % of the graph's arithmetic"},
		"what an optimizer appends": {renamed(func(n string) string { return n + "/MatMulAddFusion/" }), ""},
		"a third fused into one":    {renamed(func(n string) string { return map[bool]string{true: "Attention_0", false: n}[n == "query"] }), ""},
		"one name twice":            {renamed(func(n string) string { return map[bool]string{true: "query", false: n}[n == "key"] }), "node query is there twice"},
		"arithmetic moved between nodes": {func(_ *Input, e *Evidence) {
			for i := range e.Placement {
				r := &e.Placement[i]
				wide := [][]int64{{1, int64(r.Tokens), 2 * goodWidth}}
				r.Events[0].Inputs, r.Events[1].Inputs = wide, [][]int64{{1, int64(r.Tokens), 0}}
			}
		}, "node query has 4096 FLOPs, and 2048 in the graph"},
		"a graph without names": {func(in *Input, e *Evidence) {
			g := smallGraph()
			for _, costs := range g.Costs {
				for _, n := range goodNodes() {
					costs["MatMul("+n+")"] = costs[n]
					delete(costs, n)
				}
			}
			in.Graphs["fp32"] = g
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			row := onCUDA(t, c.spoil)
			if c.want == "" {
				assert.Empty(t, failures(row))
				return
			}
			assert.Equal(t, []string{"FAIL placement/record"}, failures(row))
			assert.Contains(t, item(t, row, "placement", "record").Measured, c.want)
		})
	}
}

func TestARecordMayLackShapesThatTheGraphKnows(t *testing.T) {
	row := onCUDA(t, func(_ *Input, e *Evidence) {
		for i := range e.Placement {
			e.Placement[i].Events[0].Inputs, e.Placement[i].Events[0].Outputs = nil, nil
		}
	})
	assert.Empty(t, failures(row))
}

func TestAGraphWithoutProductsIsJudgedByItsNodes(t *testing.T) {
	spoil := func(ep string) func(in *Input, e *Evidence) {
		return func(in *Input, e *Evidence) {
			g := Graph{Costs: map[int]map[string]float64{}}
			for i := range e.Placement {
				r := &e.Placement[i]
				g.Costs[r.Tokens] = map[string]float64{"identity": 0}
				r.Assigned = []providers.Subgraph{{EP: ep, Nodes: []providers.Node{{Name: "identity", Op: "Identity"}}}}
				r.Events = []providers.NodeEvent{{Name: "identity", Op: "Identity", EP: ep, Runs: 1, NS: 5}}
			}
			in.Graphs["fp32"] = g
		}
	}
	assert.Empty(t, failures(onCUDA(t, spoil(cudaEP))))
	assert.Contains(t, failures(onCUDA(t, spoil(cpuEP))), "FAIL placement/FLOPs")
}

// As ONNX Runtime 1.30 records WebGPU: two nodes given to the CPU, and nothing
// said of the others, which ran where they should.
func TestAProviderWhoseAssignmentIsNotRecordedIsCountedByWhatItRan(t *testing.T) {
	for ep, want := range map[string][]string{
		cudaEP: nil,
		cpuEP:  {"FAIL placement/FLOPs", "FAIL placement/nodes", "FAIL placement/time", "FAIL placement/elsewhere"},
	} {
		row := onCUDA(t, func(_ *Input, e *Evidence) {
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
		assert.Equal(t, want, failures(row), ep)
		if ep == cudaEP {
			assert.InDelta(t, 10.0/11, row.Placement[0].NodeShare, 1e-9)
		}
	}
}

func TestAPolicyWithoutPlacementProvesNothing(t *testing.T) {
	row := onCUDA(t, func(in *Input, _ *Evidence) {
		p := in.Policy.Providers["cuda"]
		p.Placement = nil
		in.Policy.Providers["cuda"] = p
	})
	assert.Equal(t, []string{"FAIL placement/threshold"}, failures(row))
}

func TestHostileNamesStayShort(t *testing.T) {
	row := onCUDA(t, func(_ *Input, e *Evidence) {
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

// A record comes from another machine: whatever its numbers, shares are shares.
func FuzzPlacementRecord(f *testing.F) {
	good, err := json.Marshal(goodRecord(16, cudaEP))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"tokens":1,"assigned":[{"ep":"x","nodes":[{"name":"n","op":"Conv"}]}],"events":[{"name":"n","op":"Conv","ep":"x","inputs":[[],[2147483648,2147483648,0]],"outputs":[[0]],"runs":1,"ns":0}]}`))
	f.Add([]byte(`{"tokens":1,"assigned":[{"ep":"x","nodes":[{"name":"n","op":"A"}]}],"events":[{"name":"n","op":"Attention","ep":"x","inputs":[[1,2,3],[4]],"outputs":[[1,2,3]],"runs":9223372036854775807,"ns":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r PlacementRun
		if strictjson.Decode(data, &r) != nil || len(possible(r)) > 0 {
			return
		}
		s, _ := sharesOf(r, cudaEP, goodGraph([]int{16}).Costs[16])
		for _, v := range []float64{s.nodeShare, s.time, settled(s.flopsShare())} {
			assert.True(t, v >= 0 && v <= 1+1e-9, "%v", v)
		}
	})
}
