package support

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/providers"
)

func parse(t testing.TB, g onnxedit.Graph) onnxfile.Model {
	t.Helper()
	m, err := onnxfile.Parse(g.Bytes())
	require.NoError(t, err)
	require.NoError(t, onnxfile.Check(m))
	return m
}

func predict(t testing.TB, provider string, m onnxfile.Model) Prediction {
	t.Helper()
	p, ok := Predict(provider, m)
	require.True(t, ok)
	require.Equal(t, p.Nodes, p.OnProvider+len(p.Elsewhere))
	return p
}

// reasons are the refusals by node.
func reasons(p Prediction) map[string]string {
	r := map[string]string{}
	for _, x := range p.Elsewhere {
		r[x.Node] = x.Reason
	}
	return r
}

func TestAStaticGraphRunsOnCoreMLAsOnePiece(t *testing.T) {
	for name, e := range map[string]onnxedit.Encoder{
		"with value_info":    {Rows: "1", Cols: "32", Mask: onnxedit.MaskGather},
		"without value_info": {Rows: "1", Cols: "32", Mask: onnxedit.MaskGather, NoValues: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, e.Graph())
			p := predict(t, "coreml", m)
			assert.True(t, p.Whole())
			assert.Equal(t, Prediction{Provider: "coreml", Nodes: len(m.Nodes), Partitions: 1, OnProvider: len(m.Nodes), FLOPsShare: 1, Elsewhere: []Refusal{}}, p)
		})
	}
}

func TestADynamicGraphDoesNotRunOnCoreML(t *testing.T) {
	p := predict(t, "coreml", parse(t, onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: onnxedit.MaskGather}.Graph()))
	assert.False(t, p.Whole())
	assert.Zero(t, p.OnProvider)
	assert.Zero(t, p.Partitions)
	assert.Zero(t, p.FLOPsShare)
	assert.Empty(t, p.CostError)
	for node, reason := range reasons(p) {
		assert.Equal(t, "its inputs' axes are not fixed (batch, sequence), and fixed shapes are required (RequireStaticInputShapes)", reason, node)
	}
}

func TestOneOpenAxisIsEnough(t *testing.T) {
	p := predict(t, "coreml", parse(t, onnxedit.Encoder{Rows: "1", Cols: "sequence", Mask: onnxedit.MaskGather}.Graph()))
	assert.False(t, p.Whole())
	assert.Contains(t, reasons(p)["gather_0"], "(sequence)")
}

func TestComputedIndicesSplitAGraphOnCoreML(t *testing.T) {
	p := predict(t, "coreml", parse(t, onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskGatherND}.Graph()))
	assert.False(t, p.Whole())
	assert.Equal(t, map[string]string{
		"unsqueeze_0": "its input 1 is int64, not float32 or float16",
		"gathernd_0":  "its indices are not constant: they are computed in the graph or given from outside",
	}, reasons(p))
}

func TestWhatIsBeforeTheFirstNodeStaysOnTheCPU(t *testing.T) {
	cast := predict(t, "coreml", parse(t, onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskCast}.Graph()))
	assert.Equal(t, []Refusal{{"cast_0", "Cast", "it is fed by a graph input, not by a node"}}, cast.Elsewhere)
	assert.Equal(t, 1, cast.Partitions, "the rest is still one piece, and the session is not on CoreML alone")
	assert.False(t, cast.Whole())
	integers := predict(t, "coreml", parse(t, onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskInt64}.Graph()))
	assert.Equal(t, map[string]string{
		"unsqueeze_0": "its input 1 is int64, not float32 or float16", "sub_0": "its input 1 is int64, not float32 or float16",
	}, reasons(integers), "the Cast behind them is fed by a node")
}

func TestConstantsAreNotCounted(t *testing.T) {
	g := onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskGather}.Graph()
	n := len(g.Nodes)
	weight := onnxedit.Zeros("", 8, 8)
	g.Nodes = append([]onnxedit.Node{
		{Name: "c", Op: "Constant", Out: []string{"c"}, Attributes: []onnxedit.Attribute{{Name: "value", Tensor: &weight}}},
		{Name: "not for CoreML, and gone before", Op: "Einsum", In: []string{"c", "wk"}, Out: []string{"wk2"}},
		{Name: "a fixed shape", Op: "Shape", In: []string{"input_ids"}, Out: []string{"s"}},
	}, g.Nodes...)
	for i, x := range g.Nodes {
		if x.Op == "MatMul" && x.In[1] == "wk" {
			g.Nodes[i].In = []string{x.In[0], "wk2"}
		}
	}
	g.Values = append(g.Values, onnxedit.Value{Name: "wk2", Type: 1, Shape: []string{"8", "8"}})
	p := predict(t, "coreml", parse(t, g))
	assert.Equal(t, n, p.Nodes)
	assert.True(t, p.Whole())
}

func TestASubgraphIsNotTakenIn(t *testing.T) {
	g := onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskGather}.Graph()
	branch := onnxedit.Graph{Nodes: []onnxedit.Node{{Name: "in the branch", Op: "Identity", In: []string{"one"}, Out: []string{"o"}}}}
	g.Nodes = append(g.Nodes, onnxedit.Node{Name: "if", Op: "If", In: []string{"one"}, Out: []string{"z"}, Attributes: []onnxedit.Attribute{{Name: "then_branch", Graph: &branch}}})
	p := predict(t, "coreml", parse(t, g))
	assert.Equal(t, []Refusal{{"if", "If", coreML.unlisted}}, p.Elsewhere)
}

func TestACostThatIsNotKnownIsSaid(t *testing.T) {
	g := onnxedit.Graph{
		Inputs: []onnxedit.Value{{Name: "x", Type: 1, Shape: []string{"2", "8"}}}, Outputs: []onnxedit.Value{{Name: "y", Type: 1}},
		Nodes: []onnxedit.Node{{Name: "e", Op: "Einsum", In: []string{"x"}, Out: []string{"y"}}},
	}
	p := predict(t, "coreml", parse(t, g))
	assert.Zero(t, p.FLOPsShare)
	assert.Contains(t, p.CostError, `node "e"`)
	g.Nodes[0].Op = "Sqrt"
	assert.Contains(t, predict(t, "coreml", parse(t, g)).CostError, "no matrices")
}

func TestAProviderWithoutATableHasNoPrediction(t *testing.T) {
	m := parse(t, onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskGather}.Graph())
	for _, name := range append(providers.Names(), "", "npu") {
		p, ok := Predict(name, m)
		r, seen := PredictFromRecord(name, m)
		assert.Equal(t, name == "coreml", ok, name)
		assert.Equal(t, name == "webgpu", seen, name)
		if !ok {
			assert.Equal(t, Prediction{}, p, name)
		}
		if !seen {
			assert.Equal(t, Prediction{}, r, name)
		}
	}
}

func TestTheTablesAreOfProvidersOfTheCatalogueAndSayWhereTheyComeFrom(t *testing.T) {
	for _, all := range []map[string]table{tables, records} {
		for name, table := range all {
			_, ok := providers.Lookup(name)
			assert.True(t, ok, name)
			assert.NotEmpty(t, table.source, name)
			assert.NotEmpty(t, table.unlisted, name)
			assert.NotEmpty(t, table.ops, name)
		}
	}
}

func TestTheRecordOfWebGPU(t *testing.T) {
	g := onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: onnxedit.MaskInt64}.Graph()
	g.Nodes = append(g.Nodes,
		onnxedit.Node{Name: "shape", Op: "Shape", In: []string{"input_ids"}, Out: []string{"s"}},
		onnxedit.Node{Name: "erf", Op: "Erf", In: []string{"sentence_embedding"}, Out: []string{"e"}},
		onnxedit.Node{Name: "float cast", Op: "Cast", In: []string{"e"}, Out: []string{"h"}, Attributes: []onnxedit.Attribute{onnxedit.Int("to", 10)}},
	)
	p, ok := PredictFromRecord("webgpu", parse(t, g))
	require.True(t, ok)
	assert.Equal(t, map[string]string{
		"shape":       "seen on the CPU: ONNX Runtime leaves the making of shapes to it",
		"cast_0":      "seen on the CPU: a Cast of 64-bit integers",
		"float cast":  "not seen on WebGPU: embedgate has measured no such Cast there",
		"erf":         webGPU.unlisted,
		"unsqueeze_0": "not seen on WebGPU: measured there with float32 alone, and this one has int64",
		"sub_0":       "not seen on WebGPU: measured there with float32 alone, and this one has int64",
	}, reasons(p))
	assert.Equal(t, 1.0, p.FLOPsShare)
}

func FuzzPredict(f *testing.F) {
	for _, mask := range []onnxedit.Mask{onnxedit.MaskGather, onnxedit.MaskCast, onnxedit.MaskInt64, onnxedit.MaskGatherND} {
		f.Add(onnxedit.Encoder{Rows: "batch", Cols: "32", Mask: mask}.Graph().Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnxfile.Parse(b)
		if err != nil {
			return
		}
		for _, of := range []func(string, onnxfile.Model) (Prediction, bool){Predict, PredictFromRecord} {
			for _, name := range providers.Names() {
				p, ok := of(name, m)
				if ok && (p.OnProvider+len(p.Elsewhere) != p.Nodes || p.Partitions > p.OnProvider || !(p.FLOPsShare >= 0 && p.FLOPsShare <= 1)) {
					t.Fatalf("%+v", p)
				}
			}
		}
	})
}
