package saturation_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
)

// signed is an int8 tensor of rows, one string of numbers each.
func signed(name string, rows ...string) onnxedit.Tensor {
	t := onnxedit.Tensor{Name: name, Type: 3, Raw: []byte{}}
	cols := 0
	for _, r := range rows {
		f := strings.Fields(r)
		cols = len(f)
		for _, s := range f {
			v, err := strconv.ParseInt(s, 10, 8)
			if err != nil {
				panic(err)
			}
			t.Raw = append(t.Raw, byte(v))
		}
	}
	t.Dims = []int64{int64(len(rows)), int64(cols)}
	return t
}

// zero is a single number of a type, 0.
func zero(name string, typ int32) onnxedit.Tensor {
	size := map[int32]int{1: 4, 4: 2, u8: 1, i8: 1, 9: 1}[typ]
	return onnxedit.Tensor{Name: name, Type: typ, Raw: make([]byte, size)}
}

// zeroPoint is the weights' zero point, 100 of 8 bits.
func zeroPoint(typ int32) onnxedit.Tensor {
	z := zero("wz", typ)
	if len(z.Raw) == 1 {
		z.Raw[0] = 100
	}
	return z
}

// product8 is a graph of one operator over the input x of type typ and the
// tensor w.
func product8(op, domain string, typ int32, w onnxedit.Tensor, in string, attributes ...onnxedit.Attribute) onnxedit.Graph {
	return onnxedit.Graph{
		MicrosoftOps: true,
		Inputs:       []onnxedit.Value{{Name: "x", Type: typ, Shape: []string{"batch", "4"}}},
		Outputs:      []onnxedit.Value{{Name: "y", Type: 1}},
		Initializers: []onnxedit.Tensor{w, onnxedit.Zeros("s"), zero("z", typ), zeroPoint(w.Type)},
		Nodes:        []onnxedit.Node{{Name: "n", Op: op, Domain: domain, In: strings.Fields(in), Out: []string{"y"}, Attributes: attributes}},
	}
}

func readGraph(t testing.TB, g onnxedit.Graph) saturation.Result {
	t.Helper()
	_, s, err := saturation.Read(onnxedit.File(t, g.Bytes()))
	require.NoError(t, err)
	return s
}

const (
	u8 = 2
	i8 = 3
	ms = "com.microsoft"
)

func TestPairsOfWeightsThatFitIn16BitsAreSafe(t *testing.T) {
	for name, c := range map[string]struct {
		rows          []string
		over, largest int
	}{
		"128 fits":                              {[]string{"64 -64", "64 -64"}, 0, 128},
		"129 does not":                          {[]string{"65 0 -65", "64 0 -64"}, 2, 129},
		"-128 alone fits":                       {[]string{"-128", "0"}, 0, 128},
		"-128 and -1 do not":                    {[]string{"-128", "-1"}, 1, 129},
		"weights of two signs cannot":           {[]string{"127", "-127"}, 0, 127},
		"rows 1 and 2 are no pair":              {[]string{"0", "127", "127", "0"}, 0, 127},
		"rows 2 and 3 are":                      {[]string{"0", "0", "127", "127"}, 1, 254},
		"a last row stands alone":               {[]string{"0 1", "0 1", "127 -128"}, 0, 128},
		"the largest of many":                   {[]string{"1 2 3", "1 127 -3", "1 2 3", "1 2 3"}, 1, 129},
		"one row":                               {[]string{"127 -128 0"}, 0, 128},
		"a zero point is added by sums instead": {[]string{"100", "100"}, 1, 200}, // and the graph has one of 100
	} {
		t.Run(name, func(t *testing.T) {
			s := readGraph(t, product8("MatMulInteger", "", u8, signed("w", c.rows...), "x w z wz"))
			assert.Equal(t, 1, s.Products)
			assert.Equal(t, len(strings.Fields(c.rows[0])), s.Columns)
			assert.Equal(t, c.over, s.Over)
			assert.Equal(t, c.largest, s.Largest)
			assert.Equal(t, "n", s.Worst)
			assert.Equal(t, c.over == 0, s.Safe())
			if c.over > 0 {
				assert.Contains(t, s.String(), "columns can saturate on CPUs without VNNI")
			} else {
				assert.Contains(t, s.String(), "safe on every x86 CPU")
			}
		})
	}
}

func TestEveryProductOfIntegersIsLookedAt(t *testing.T) {
	w := signed("w", "100 1 1 1 1 1", "100 1 1 1 1 1") // column 0 as a matrix of 2 × 6, and as 6 × 2 no row
	attention := onnxedit.Int("num_heads", 1)
	conv := w
	conv.Dims = []int64{2, 2, 3} // any two of a channel may be a pair: 100 and 1, 1 and 100
	conv.Raw = signed("", "100 1 1 1 1 29", "100 1 1 1 1 28").Raw
	lstm := w
	lstm.Dims = []int64{1, 2, 6}
	for name, c := range map[string]struct {
		g       onnxedit.Graph
		columns int
		over    int
	}{
		"MatMulInteger":           {product8("MatMulInteger", "", u8, w, "x w"), 6, 1},
		"QLinearMatMul":           {product8("QLinearMatMul", "", u8, w, "x s z w s wz s z"), 6, 1},
		"MatMulIntegerToFloat":    {product8("MatMulIntegerToFloat", ms, u8, w, "x w s s z wz"), 6, 1},
		"DynamicQuantizeMatMul":   {product8("DynamicQuantizeMatMul", ms, 1, w, "x w s"), 6, 1},
		"QGemm":                   {product8("QGemm", ms, u8, w, "x s z w s wz"), 6, 1},
		"QGemm, transposed":       {product8("QGemm", ms, u8, w, "x s z w s wz", onnxedit.Int("transB", 1)), 2, 0},
		"QAttention":              {product8("QAttention", ms, u8, w, "x w s s s z z wz", attention), 6, 1},
		"QLinearConv":             {product8("QLinearConv", "", u8, conv, "x s z w s wz s z"), 2, 1},
		"DynamicQuantizeLSTM":     {product8("DynamicQuantizeLSTM", ms, 1, lstm, "x w w"), 12, 2},
		"MatMulInteger of signed": {product8("MatMulInteger", "", i8, w, "x w"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := readGraph(t, c.g)
			assert.Equal(t, c.columns, s.Columns)
			assert.Equal(t, c.over, s.Over)
			assert.Zero(t, s.UnknownCount)
			assert.Equal(t, c.columns > 0, s.Any())
		})
	}
}

func TestWeightsThatAreUnsignedOrFloatsCannotSaturate(t *testing.T) {
	unsigned := signed("w", "-1 -1", "-1 -1")
	unsigned.Type = u8
	for name, g := range map[string]onnxedit.Graph{
		"unsigned":        product8("MatMulInteger", "", u8, unsigned, "x w"),
		"floats":          product8("MatMul", "", 1, onnxedit.Zeros("w", 4, 2), "x w"),
		"blocks of 4 bit": product8("MatMulNBits", ms, 1, unsigned, "x w s", onnxedit.Int("bits", 4), onnxedit.Int("accuracy_level", 4)),
	} {
		s := readGraph(t, g)
		assert.False(t, s.Any(), name)
		assert.True(t, s.Safe(), name)
		assert.Contains(t, s.String(), "no products of 8-bit integers", name)
	}
}

// qdq is x, quantised to typ, by weights that come out of DequantizeLinear.
func qdq(op string, typ int32, w onnxedit.Tensor, change func(g *onnxedit.Graph)) onnxedit.Graph {
	node := func(op, in, out string) onnxedit.Node {
		return onnxedit.Node{Name: out, Op: op, In: strings.Fields(in), Out: []string{out}}
	}
	g := onnxedit.Graph{
		Inputs:       []onnxedit.Value{{Name: "x", Type: 1, Shape: []string{"batch", "2"}}},
		Outputs:      []onnxedit.Value{{Name: "y", Type: 1}},
		Initializers: []onnxedit.Tensor{w, onnxedit.Zeros("s"), zero("z", typ), zeroPoint(w.Type)},
		Nodes: []onnxedit.Node{
			node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "xd"), node("DequantizeLinear", "w s wz", "wd"), node(op, "xd wd", "y"),
		},
	}
	if change != nil {
		change(&g)
	}
	return g
}

func TestQuantisedFloatProductsAreLookedAt(t *testing.T) {
	w := signed("w", "100 1 1", "100 1 1")
	tall := signed("w", "100 100", "1 1", "1 1")
	node := func(op, in, out string, a ...onnxedit.Attribute) onnxedit.Node {
		return onnxedit.Node{Name: out, Op: op, In: strings.Fields(in), Out: []string{out}, Attributes: a}
	}
	for name, c := range map[string]struct {
		g             onnxedit.Graph
		columns, over int
		untold        string
	}{
		"MatMul":                 {qdq("MatMul", u8, w, nil), 3, 1, ""},
		"signed activations":     {qdq("MatMul", i8, w, nil), 3, 1, ""},
		"Gemm":                   {qdq("Gemm", u8, w, nil), 3, 1, ""},
		"activations of 16 bits": {qdq("MatMul", 4, w, nil), 0, 0, ""},
		"Gemm, transposed":       {qdq("Gemm", u8, tall, func(g *onnxedit.Graph) { g.Nodes[3].Attributes = []onnxedit.Attribute{onnxedit.Int("transB", 1)} }), 3, 1, ""},
		"transposed behind its floats": {qdq("MatMul", u8, tall, func(g *onnxedit.Graph) {
			g.Nodes[3].In[1] = "t"
			g.Nodes = slices.Insert(g.Nodes, 3, node("Transpose", "wd", "t"))
		}), 3, 1, ""},
		"transposed before": {qdq("MatMul", u8, tall, func(g *onnxedit.Graph) {
			g.Nodes[2].In[0] = "t"
			g.Nodes = slices.Insert(g.Nodes, 2, node("Transpose", "w", "t"))
		}), 3, 1, ""},
		"reshaped activations": {qdq("MatMul", u8, w, func(g *onnxedit.Graph) {
			g.Nodes[3].In[0] = "r"
			g.Nodes = slices.Insert(g.Nodes, 3, node("Squeeze", "xd", "r"))
		}), 3, 1, ""},
		"dynamically quantised": {qdq("MatMul", u8, w, func(g *onnxedit.Graph) { g.Nodes[0] = node("DynamicQuantizeLinear", "x", "q") }), 3, 1, ""},
		"a constant": {qdq("MatMul", u8, w, func(g *onnxedit.Graph) {
			g.Initializers = g.Initializers[1:]
			g.Nodes = append([]onnxedit.Node{{Op: "Constant", Out: []string{"w"}, Attributes: []onnxedit.Attribute{{Name: "value", Tensor: &w}}}}, g.Nodes...)
		}), 3, 1, ""},
		"of two activations":      {qdq("MatMul", i8, w, func(g *onnxedit.Graph) { g.Nodes[3].In[1] = "xd" }), 0, 0, ""},
		"floats by 8-bit weights": {qdq("MatMul", u8, w, func(g *onnxedit.Graph) { g.Nodes[3].In[0] = "x" }), 0, 0, "in blocks"},
		"weights quantised in the graph": {qdq("MatMul", u8, onnxedit.Zeros("w", 2, 3), func(g *onnxedit.Graph) {
			g.Initializers[3] = zeroPoint(i8)
			g.Nodes = slices.Insert(g.Nodes, 2, node("QuantizeLinear", "w s wz", "wq"))
			g.Nodes[3].In[0] = "wq"
		}), 0, 0, "computed in the graph"},
	} {
		t.Run(name, func(t *testing.T) {
			s := readGraph(t, c.g)
			assert.Equal(t, c.columns, s.Columns)
			assert.Equal(t, c.over, s.Over)
			if c.untold == "" {
				assert.Zero(t, s.UnknownCount, s.Unknown)
				return
			}
			assert.Equal(t, 1, s.UnknownCount)
			require.False(t, s.Safe(), "what is not known is not safe")
			assert.Contains(t, s.Unknown[0], c.untold)
			assert.Contains(t, s.String(), "not known for 1 product: ")
		})
	}
}

func TestWeightsThatAreNotInTheFileAreNotKnown(t *testing.T) {
	w := signed("w", "1 1", "1 1")
	inner := product8("MatMulInteger", "", u8, w, "x w")
	for name, c := range map[string]struct {
		g    onnxedit.Graph
		want string
	}{
		"computed":         {product8("MatMulInteger", "", u8, w, "x nowhere"), "n (MatMulInteger): its weights are computed in the graph"},
		"in a subgraph":    {product8("If", "", 9, w, "x", onnxedit.Attribute{Name: "then_branch", Graph: &inner}), "it lies in a subgraph"},
		"in blocks of 8":   {product8("MatMulNBits", ms, 1, w, "x w s", onnxedit.Int("bits", 8), onnxedit.Int("accuracy_level", 4)), "blocks of 8-bit weights"},
		"a transposed box": {product8("QGemm", ms, u8, func() onnxedit.Tensor { b := w; b.Dims = []int64{1, 2, 2}; return b }(), "x s z w", onnxedit.Int("transB", 1)), "no matrix"},
	} {
		t.Run(name, func(t *testing.T) {
			s := readGraph(t, c.g)
			require.Equal(t, 1, s.UnknownCount)
			assert.Contains(t, s.Unknown[0], c.want)
			assert.False(t, s.Safe())
		})
	}
}

// onnx.helper.make_tensor writes small integers as varints.
func TestWeightsInTypedFieldsAreRead(t *testing.T) {
	var packed []byte
	for _, v := range []int64{-65, 1, -64, 1} {
		packed = append(packed, onnxedit.Varint(0, uint64(v))[1:]...)
	}
	g := product8("MatMulInteger", "", u8, signed("other", "1"), "x w")
	tensor := onnxedit.Field(5, onnxedit.Varint(1, 2), onnxedit.Varint(1, 2), onnxedit.Varint(2, i8), onnxedit.Field(8, []byte("w")), onnxedit.Field(5, packed))
	m, err := onnxfile.Parse(append(g.Bytes(), onnxedit.Field(7, tensor)...))
	require.ErrorContains(t, err, "got 2 graphs", "%v", m)
	b := onnxedit.Field(7, onnxedit.Field(1, onnxedit.Field(1, []byte("x")), onnxedit.Field(1, []byte("w")), onnxedit.Field(2, []byte("y")), onnxedit.Field(4, []byte("MatMulInteger"))), tensor)
	m, err = onnxfile.Parse(b)
	require.NoError(t, err)
	s := saturation.Find(m, b)
	assert.Equal(t, 1, s.Over)
	assert.Equal(t, 129, s.Largest)
}

func TestSharedWeightsAreReadOnce(t *testing.T) {
	g := product8("MatMulInteger", "", u8, onnxedit.Tensor{Name: "w", Type: i8, Dims: []int64{1000, 1000}, Raw: make([]byte, 1_000_000)}, "x w")
	g.Nodes = slices.Repeat(g.Nodes, 20_000)
	s := readGraph(t, g) // 20 billion bytes otherwise
	assert.Equal(t, 20_000, s.Products)
	assert.Equal(t, 20_000_000, s.Columns)
}

func FuzzSaturation(f *testing.F) {
	f.Add(product8("QGemm", ms, u8, signed("w", "1 2", "3 4"), "x s z w s wz", onnxedit.Int("transB", 1)).Bytes())
	f.Add(qdq("MatMul", u8, signed("w", "100 1 1", "100 1 1"), nil).Bytes())
	f.Add(product8("QLinearConv", "", u8, signed("w", "1 2", "3 4"), "x s z w s wz s z").Bytes())
	f.Add(product8("DynamicQuantizeLSTM", ms, 1, signed("w", "1 2", "3 4"), "x w w").Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnxfile.Parse(b)
		if err != nil || onnxfile.Check(m) != nil {
			return
		}
		s := saturation.Find(m, b)
		if s.Over > s.Columns || s.Largest > 256 || len(s.Unknown) > s.UnknownCount || s.Safe() != (s.Over == 0 && s.UnknownCount == 0) {
			t.Fatalf("%+v", s)
		}
		_ = s.String()
	})
}
