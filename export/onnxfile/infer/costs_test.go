package infer_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

func TestProductsAreCounted(t *testing.T) {
	i := onnxedit.Int
	const ms = "com.microsoft"
	for name, c := range map[string]struct {
		op, domain string
		attrs      []onnxedit.Attribute
		in         []string
		want       float64
	}{
		"MatMul":                               {"MatMul", "", nil, []string{"2 16 8", "8 5"}, 2 * 2 * 16 * 8 * 5},
		"MatMul of heads":                      {"MatMul", "", nil, []string{"2 4 16 8", "2 4 8 16"}, 2 * 2 * 4 * 16 * 8 * 16},
		"MatMul of vectors":                    {"MatMul", "", nil, []string{"8", "8"}, 2 * 8},
		"Gemm":                                 {"Gemm", "", []onnxedit.Attribute{i("transA", 1), i("transB", 1)}, []string{"8 16", "5 8"}, 2 * 16 * 8 * 5},
		"MatMulInteger":                        {"MatMulInteger", "", nil, []string{"2 16 8", "8 5"}, 2 * 2 * 16 * 8 * 5},
		"QLinearMatMul":                        {"QLinearMatMul", "", nil, []string{"2 16 8", "1", "1", "8 5", "1", "1", "1", "1"}, 2 * 2 * 16 * 8 * 5},
		"FusedMatMul":                          {"FusedMatMul", ms, []onnxedit.Attribute{i("transB", 1)}, []string{"2 16 8", "2 5 8"}, 2 * 2 * 16 * 8 * 5},
		"DynamicQuantizeMatMul":                {"DynamicQuantizeMatMul", ms, nil, []string{"2 16 8", "8 5"}, 2 * 2 * 16 * 8 * 5},
		"MatMulNBits":                          {"MatMulNBits", ms, []onnxedit.Attribute{i("K", 8), i("N", 5)}, []string{"2 16 8", "5 1 8"}, 2 * 2 * 16 * 8 * 5},
		"Conv":                                 {"Conv", "", nil, []string{"2 6 32", "4 3 5"}, 2 * (2 * 4 * 28) * (3 * 5)},
		"Attention":                            {"Attention", "", nil, []string{"2 4 16 8", "2 4 20 8", "2 4 20 6"}, 2 * 2 * 4 * 16 * 20 * (8 + 6)},
		"Attention side by side":               {"Attention", "", []onnxedit.Attribute{i("q_num_heads", 4), i("kv_num_heads", 4)}, []string{"2 16 32", "2 20 32", "2 20 24"}, 2 * 2 * 4 * 16 * 20 * (8 + 6)},
		"Attention with a past":                {"Attention", "", nil, []string{"2 4 1 8", "2 4 1 8", "2 4 1 8", "", "2 4 19 8"}, 2 * 2 * 4 * 1 * 20 * (8 + 8)},
		"Attention, contributed":               {"Attention", ms, nil, []string{"2 16 8", "8 24", "24"}, 2*2*16*8*24 + 2*2*16*16*(8+8)},
		"Attention of other sizes":             {"Attention", ms, []onnxedit.Attribute{onnxedit.Ints("qkv_hidden_sizes", 8, 8, 4)}, []string{"2 16 8", "8 20", "20"}, 2*2*16*8*20 + 2*2*16*16*(8+4)},
		"MultiHeadAttention":                   {"MultiHeadAttention", ms, nil, []string{"2 16 8", "2 20 8", "2 20 6"}, 2 * 2 * 16 * 20 * (8 + 6)},
		"Attention, contributed, with a past":  {"Attention", ms, nil, []string{"2 1 8", "8 24", "24", "", "2 2 4 19 2"}, 2*2*1*8*24 + 2*2*1*20*(8+8)},
		"QAttention, whose input 4 is a scale": {"QAttention", ms, nil, []string{"2 16 8", "8 24", "24", "-", "-", "2", "-", "-"}, 2*2*16*8*24 + 2*2*16*16*(8+8)},
		"QAttention with a past":               {"QAttention", ms, nil, []string{"2 1 8", "8 24", "24", "-", "-", "2", "-", "-", "2 2 4 19 2"}, 2*2*1*8*24 + 2*2*1*20*(8+8)},
		"MultiHeadAttention, packed into one":  {"MultiHeadAttention", ms, nil, []string{"2 16 4 3 2"}, 2 * 2 * 16 * 16 * (8 + 8)},
		"MultiHeadAttention, keys and values":  {"MultiHeadAttention", ms, nil, []string{"2 16 8", "2 20 4 2 2"}, 2 * 2 * 16 * 20 * (8 + 8)},
		"MultiHeadAttention, an axis of heads": {"MultiHeadAttention", ms, nil, []string{"2 16 8", "2 4 20 2", "2 4 20 2"}, 2 * 2 * 16 * 20 * (8 + 8)},
		"QGemm":                                {"QGemm", ms, []onnxedit.Attribute{i("transB", 1)}, []string{"16 8", "-", "-", "5 8"}, 2 * 16 * 8 * 5},
		"TransposeMatMul":                      {"TransposeMatMul", ms, []onnxedit.Attribute{i("transA", 1)}, []string{"2 8 16", "2 8 5"}, 2 * 2 * 16 * 8 * 5},
		"FusedGemm":                            {"FusedGemm", ms, nil, []string{"16 8", "8 5"}, 2 * 16 * 8 * 5},
		"GemmFastGelu":                         {"GemmFastGelu", ms, nil, []string{"2 16 8", "8 5"}, 2 * 2 * 16 * 8 * 5},
		"EmbedLayerNormalization":              {"EmbedLayerNormalization", ms, nil, []string{"2 16", "2 16", "30522 8"}, 0},
		"an activation":                        {"Gelu", "", nil, []string{"2 16 8"}, 0},
		"of constants alone":                   {"MatMul", "", nil, []string{"=1 2", "=3 4"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := onnxedit.OneNode(c.op, c.domain, c.attrs, c.in...)
			if c.op == "Conv" {
				g.Values = []onnxedit.Value{{Name: "out", Type: 1, Shape: []string{"2", "4", "28"}}}
			}
			costs, err := infer.Costs(parse(t, g), 1, 1)
			require.NoError(t, err)
			assert.Equal(t, map[string]float64{"n": c.want}, costs)
		})
	}
}

func TestACostThatIsNotKnownIsAnErrorThatNamesTheNode(t *testing.T) {
	within := onnxedit.OneNode("MatMul", "", nil, "2 8", "8 2")
	for name, c := range map[string]struct {
		g    onnxedit.Graph
		want string
	}{
		"an unknown shape":             {onnxedit.OneNode("MatMul", "", nil, "? 8", "8 5"), `node "n": got MatMul of inputs whose shapes`},
		"shapes that do not fit":       {onnxedit.OneNode("MatMul", "", nil, "2 8", "7 5"), `node "n"`},
		"an operator of no formula":    {onnxedit.OneNode("Einsum", "", nil, "2 8", "8 5"), `node "n": got operator Einsum`},
		"keys of unknown earlier runs": {onnxedit.OneNode("Attention", "com.microsoft", nil, "2 16 8", "8 24", "24", "", "2 2 4 ? 4"), `node "n"`},
		"a convolution of unknown":     {onnxedit.OneNode("Conv", "", nil, "2 6 32", "4 3 5"), `node "n"`},
		"a product in a subgraph":      {onnxedit.OneNode("If", "", []onnxedit.Attribute{{Name: "then_branch", Graph: &within}}, "1"), `node "n": got MatMul in a subgraph`},
		"sizes without sense":          {onnxedit.OneNode("MatMul", "", nil, "999999999999 999999999999", "999999999999 999999999999"), `node "n"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := c.g
			if name == "an unknown shape" {
				g.Inputs[0].Shape = []string{"?", "?", "8"}
			}
			costs, err := infer.Costs(parse(t, g), 1, 16)
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, costs)
		})
	}
	_, err := infer.Costs(parse(t, within), 0, 16)
	require.ErrorContains(t, err, "at least one of each")
}

// Neither the time nor the words grow with what a hostile node lists.
func TestANodeOfCountlessInputsIsToldInAFewWords(t *testing.T) {
	g := onnxedit.OneNode("MatMul", "", nil, "2 3")
	g.Nodes[0].In = slices.Repeat([]string{"in0"}, 200_000)
	_, err := infer.Costs(parse(t, g), 1, 1)
	require.ErrorContains(t, err, `node "n"`)
	require.Less(t, len(err.Error()), 500)
}

func TestNodesWithoutANameAreUnderWhatTheyMakeAndThoseOfOneNameAreSummed(t *testing.T) {
	g := onnxedit.OneNode("MatMul", "", nil, "2 8", "8 5")
	g.Nodes[0].Name = ""
	costs, err := infer.Costs(parse(t, g), 1, 1)
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"MatMul(out)": 160}, costs)
	g.Nodes[0].Name = "n"
	g.Nodes = append(g.Nodes, onnxedit.Node{Name: "n", Op: "MatMul", In: g.Nodes[0].In, Out: []string{"again"}})
	costs, err = infer.Costs(parse(t, g), 1, 1)
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"n": 320}, costs)
}

func TestAFixedGraphCostsWhatItCosts(t *testing.T) {
	m := parse(t, onnxedit.Encoder{Rows: "1", Cols: "32"}.Graph())
	short, err := infer.Costs(m, 1, 4)
	require.NoError(t, err)
	long, err := infer.Costs(m, 1, 400)
	require.NoError(t, err)
	require.Equal(t, short, long)
}

func total(t testing.TB, m onnxfile.Model, rows, cols int) (sum float64) {
	t.Helper()
	costs, err := infer.Costs(m, rows, cols)
	require.NoError(t, err)
	for _, c := range costs {
		sum += c
	}
	return sum
}

func TestASmallEncoderIsCountedWithAndWithoutWhatTheFileStates(t *testing.T) {
	const h, f = onnxedit.EncoderHidden, onnxedit.EncoderIntermediate
	for _, mask := range []onnxedit.Mask{onnxedit.MaskGather, onnxedit.MaskCast, onnxedit.MaskInt64, onnxedit.MaskGatherND} {
		for _, bare := range []bool{false, true} {
			m := parse(t, onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: mask, NoValues: bare}.Graph())
			for _, s := range []float64{1, 5, 32} {
				want := 3*(3*2*h*h*s+2*2*h*f*s+2*2*h*s*s) + 3*2*h*s // of three texts: layer, attention, pooling
				assert.Equal(t, want, total(t, m, 3, int(s)), "%s, %g tokens, value_info %v", mask, s, !bare)
			}
		}
	}
}

// The real model's arithmetic is 21.23e6·S + 9216·S² for S tokens.
func TestTheRealModelIsCounted(t *testing.T) {
	for name, c := range map[string]candidate.Candidate{"written out": exporttest.Candidate(t), "plain": exporttest.PlainCandidate(t)} {
		t.Run(name, func(t *testing.T) {
			m, err := onnxfile.Read(filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File))
			require.NoError(t, err)
			bare := m
			bare.Values, bare.Outputs = nil, nil
			for _, s := range []int{16, 128, 512} {
				want := 21.23e6*float64(s) + 9216*float64(s)*float64(s)
				assert.InEpsilon(t, want, total(t, m, 1, s), 0.01)
				assert.InEpsilon(t, 3*want, total(t, m, 3, s), 0.01)
				assert.Equal(t, total(t, m, 1, s), total(t, bare, 1, s), "the rules alone say the same")
			}
		})
	}
}

// onnx's own shape inference wrote the real files' value_info: the rules must
// say the same from the inputs and the weights alone.
func TestTheRulesSayWhatOnnxSays(t *testing.T) {
	for name, c := range map[string]candidate.Candidate{"written out": exporttest.Candidate(t), "plain": exporttest.PlainCandidate(t)} {
		t.Run(name, func(t *testing.T) {
			m, err := onnxfile.Read(filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File))
			require.NoError(t, err)
			bare := m
			bare.Values, bare.Outputs = nil, nil
			known, compared := infer.Tensors(bare, 3, 17), 0
			for _, v := range slices.Concat(m.Values, m.Outputs) {
				only := onnxfile.Model{Opsets: m.Opsets, Inputs: m.Inputs, Outputs: []onnxfile.Value{v}, Nodes: []onnxfile.Node{{Op: "NoRule", Outputs: []string{v.Name}}}}
				want := infer.Tensors(only, 3, 17)[v.Name]
				if !want.Fixed() {
					continue
				}
				compared++
				got := known[v.Name]
				assert.Equal(t, infer.ShapeText(want.Dims), infer.ShapeText(got.Dims), v.Name)
				assert.Equal(t, want.Type, got.Type, v.Name)
			}
			require.Greater(t, compared, 150)
		})
	}
}

func FuzzCosts(f *testing.F) {
	for _, mask := range []onnxedit.Mask{onnxedit.MaskGather, onnxedit.MaskCast, onnxedit.MaskInt64, onnxedit.MaskGatherND} {
		f.Add(onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: mask}.Graph().Bytes(), 1, 16)
	}
	f.Add(onnxedit.OneNode("Split", "", nil, "2 7", "=4 2 1").Bytes(), 0, -1)
	f.Add(onnxedit.OneNode("Slice", "", nil, "2 16", "=1", "=9223372036854775807", "=1", "=2").Bytes(), 1<<30, 1<<30)
	f.Fuzz(func(t *testing.T, b []byte, rows, cols int) {
		m, err := onnxfile.Parse(b)
		if err != nil {
			return
		}
		for name, x := range infer.Tensors(m, rows, cols) {
			for _, d := range x.Dims {
				if d < 0 && d != infer.Unknown {
					t.Fatalf("%q has shape %v", name, x.Dims)
				}
			}
		}
		costs, err := infer.NodeCosts(m, rows, cols)
		if err == nil && len(costs) != len(m.Nodes) {
			t.Fatalf("%d costs of %d nodes", len(costs), len(m.Nodes))
		}
		for _, c := range costs {
			if !(c >= 0 && c < 1e40) {
				t.Fatalf("a node costs %v", c)
			}
		}
	})
}
