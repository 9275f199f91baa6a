package support

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
)

// types of TensorProto by the letter that stands for them below.
var letters = map[byte]int32{'f': 1, 'h': 10, 'd': 11, 'i': 6, 'l': 7, 'b': 9, 'q': 2}

// oneNode is a node whose inputs are "f 1 8" (a float32 graph input of 1 × 8),
// "made f 1 8" (made by a node), "=1 2" (an int64 constant), "weights" (a
// float32 constant of 8 × 8), or "" (left out).
func oneNode(op string, attributes []onnxedit.Attribute, outputs int, in ...string) onnxedit.Graph {
	g := onnxedit.Graph{Outputs: []onnxedit.Value{{Name: "out", Type: 1}}}
	n := onnxedit.Node{Name: "it", Op: op, Attributes: attributes, Out: []string{"out", "out1", "out2"}[:outputs]}
	for k, s := range in {
		name := "in" + strconv.Itoa(k)
		rest, made := strings.CutPrefix(s, "made ")
		values, constant := strings.CutPrefix(s, "=")
		switch {
		case s == "":
			name = ""
		case s == "weights":
			g.Initializers = append(g.Initializers, onnxedit.Zeros(name, 8, 8))
		case constant:
			var v []int64
			for f := range strings.FieldsSeq(values) {
				x, _ := strconv.ParseInt(f, 10, 64)
				v = append(v, x)
			}
			g.Initializers = append(g.Initializers, onnxedit.Int64s(name, v...))
		default:
			from := name
			if made {
				from = "raw" + name
				g.Nodes = append(g.Nodes, onnxedit.Node{Name: "maker" + name, Op: "Identity", In: []string{from}, Out: []string{name}})
			}
			g.Inputs = append(g.Inputs, onnxedit.Value{Name: from, Type: letters[rest[0]], Shape: append([]string{}, strings.Fields(rest[1:])...)})
		}
		n.In = append(n.In, name)
	}
	if len(g.Inputs) == 0 {
		g.Inputs = []onnxedit.Value{{Name: "unused", Type: 1, Shape: []string{"1"}}}
	}
	g.Nodes = append(g.Nodes, n)
	return g
}

func TestEachRuleOfCoreMLSaysNoAndYes(t *testing.T) {
	i, none := onnxedit.Int, []onnxedit.Attribute(nil)
	type graph = onnxedit.Graph
	for name, c := range map[string]struct {
		yes, no graph
		want    string
	}{
		"an operator that is listed":   {oneNode("Sqrt", none, 1, "f 1 8"), oneNode("NonZero", none, 1, "f 1 8"), "no such operator"},
		"an operator of ONNX's own":    {oneNode("Gelu", none, 1, "f 1 8"), func() graph { g := oneNode("Gelu", none, 1, "f 1 8"); g.Nodes[0].Domain = "com.microsoft"; return g }(), "no such operator"},
		"a fixed shape":                {oneNode("Sqrt", none, 1, "f 1 8"), oneNode("Sqrt", none, 1, "f batch 8"), "axes are not fixed (batch)"},
		"an axis with no name":         {oneNode("Sqrt", none, 1, "f 1 8"), oneNode("Sqrt", none, 1, "f ? 8"), "axes are not fixed (?)"},
		"elements":                     {oneNode("Sqrt", none, 1, "f 1 8"), oneNode("Sqrt", none, 1, "f 0 8"), "axis of size 0"},
		"at most five axes":            {oneNode("Sqrt", none, 1, "f 1 1 1 1 8"), oneNode("Sqrt", none, 1, "f 1 1 1 1 1 8"), "has 6 axes, and at most 5"},
		"every input":                  {oneNode("Add", none, 1, "f 1 8", "f 8"), oneNode("Add", none, 1, "f 1 8", "f ?"), "axes are not fixed"},
		"floats":                       {oneNode("Add", none, 1, "h 1 8", "h 8"), oneNode("Add", none, 1, "l 1 8", "l 8"), "input 1 is int64, not float32 or float16"},
		"not doubles":                  {oneNode("MatMul", none, 1, "f 8 8", "weights"), oneNode("MatMul", none, 1, "d 8 8", "d 8 8"), "input 1 is float64"},
		"Sub of floats":                {oneNode("Sub", none, 1, "f 8", "f 8"), oneNode("Sub", none, 1, "l 8", "l 8"), "input 1 is int64"},
		"Unsqueeze of floats":          {oneNode("Unsqueeze", none, 1, "f 8", "=0"), oneNode("Unsqueeze", none, 1, "l 8", "=0"), "input 1 is int64"},
		"Unsqueeze to five axes":       {oneNode("Unsqueeze", none, 1, "f 1 1 1 8", "=0"), oneNode("Unsqueeze", none, 1, "f 1 1 1 8", "=0 1"), "result has 6 axes"},
		"Unsqueeze of known axes":      {oneNode("Unsqueeze", none, 1, "f 8", "=0"), oneNode("Unsqueeze", none, 1, "f 8", "l 1"), "axes are not constant"},
		"Squeeze of known axes":        {oneNode("Squeeze", none, 1, "f 1 8", "=0"), oneNode("Squeeze", none, 1, "f 1 8", "l 1"), "axes are not constant"},
		"Gather of floats":             {oneNode("Gather", none, 1, "weights", "l 2 3"), oneNode("Gather", none, 1, "d 8 8", "l 2 3"), "input 1 is float64"},
		"Gather of a large vocabulary": {oneNode("Gather", none, 1, "f 30522 8", "l 2 3"), oneNode("Gather", none, 1, "f 30522 8", "b 2 3"), "input 2 is bool"},
		"Gather to five axes":          {oneNode("Gather", none, 1, "f 8 8 8", "l 2 3"), oneNode("Gather", none, 1, "f 8 8 8", "l 1 1 2 3"), "result has 6 axes"},
		"Gather of one":                {oneNode("Gather", none, 1, "f 8 1 1 8", "l"), oneNode("Gather", none, 1, "f 8 1 1 1 8", "l"), "one index of data with more than 4 axes"},
		"GatherND by constants":        {oneNode("GatherND", none, 1, "f 8 8", "=1"), oneNode("GatherND", none, 1, "f 8 8", "made l 2 1"), "indices are not constant"},
		"GatherND by an input":         {oneNode("GatherND", none, 1, "l 8 8", "=1"), oneNode("GatherND", none, 1, "f 8 8", "l 2 1"), "indices are not constant"},
		"GatherND without batches":     {oneNode("GatherND", none, 1, "f 8 8", "=1"), oneNode("GatherND", []onnxedit.Attribute{i("batch_dims", 1)}, 1, "f 8 8", "=1"), "batch_dims is 1"},
		"Cast of what a node made":     {oneNode("Cast", []onnxedit.Attribute{i("to", 1)}, 1, "made l 8"), oneNode("Cast", []onnxedit.Attribute{i("to", 1)}, 1, "l 8"), "fed by a graph input"},
		"Cast to a type it has":        {oneNode("Cast", []onnxedit.Attribute{i("to", 1)}, 1, "made l 8"), oneNode("Cast", []onnxedit.Attribute{i("to", 11)}, 1, "made l 8"), "what it makes is not"},
		"Reshape to a constant":        {oneNode("Reshape", none, 1, "f 8 8", "=4 16"), oneNode("Reshape", none, 1, "f 8 8", "l 2"), "target shapes are not constant"},
		"Reshape to five axes":         {oneNode("Reshape", none, 1, "f 8 8", "=4 1 1 1 16"), oneNode("Reshape", none, 1, "f 8 8", "=4 1 1 1 1 16"), "result has 6 axes"},
		"Reshape without a kept 0":     {oneNode("Reshape", none, 1, "f 8 8", "=0 8"), oneNode("Reshape", []onnxedit.Attribute{i("allowzero", 1)}, 1, "f 8 8", "=0 8"), "allowzero"},
		"Slice by constants":           {oneNode("Slice", none, 1, "f 8 8", "=0", "=4"), oneNode("Slice", none, 1, "f 8 8", "=0", "l 1"), "bounds are not constant"},
		"Slice by constant steps":      {oneNode("Slice", none, 1, "l 8 8", "=0", "=4", "=1", "=2"), oneNode("Slice", none, 1, "f 8 8", "=0", "=4", "=1", "l 1"), "steps are not constant"},
		"Split in two":                 {oneNode("Split", none, 2, "f 8 8", "=4 4"), oneNode("Split", none, 1, "f 8 8", "=8"), "1 outputs"},
		"Split in constant parts":      {oneNode("Split", none, 2, "f 8 8", "=4 4"), oneNode("Split", none, 2, "f 8 8", "l 2"), "sizes are not constant"},
		"ReduceSum over known axes":    {oneNode("ReduceSum", none, 1, "f 8 8", "=1"), oneNode("ReduceSum", none, 1, "f 8 8", "l 1"), "axes are not constant"},
		"LayerNorm for inference":      {oneNode("LayerNormalization", none, 1, "f 8 8", "weights"), oneNode("LayerNormalization", none, 2, "f 8 8", "weights"), "a graph for training"},
		"LayerNorm by constants":       {oneNode("LayerNormalization", none, 1, "f 8 8", "weights"), oneNode("LayerNormalization", none, 1, "f 8 8", "f 8"), "weights are not constant"},
		"LayerNorm's precision":        {oneNode("LayerNormalization", none, 1, "f 8 8", "weights"), oneNode("LayerNormalization", []onnxedit.Attribute{i("stash_type", 10)}, 1, "f 8 8", "weights"), "stash_type is 10"},
		"Gemm as it is":                {oneNode("Gemm", none, 1, "f 8 8", "weights"), oneNode("Gemm", []onnxedit.Attribute{i("transA", 1)}, 1, "f 8 8", "weights"), "transA is 1"},
		"Gemm without a scale":         {oneNode("Gemm", none, 1, "f 8 8", "weights"), oneNode("Gemm", []onnxedit.Attribute{onnxedit.Float("alpha", 0.5)}, 1, "f 8 8", "weights"), "alpha is 0.5"},
		"Gemm with weights":            {oneNode("Gemm", none, 1, "f 8 8", "weights"), oneNode("Gemm", none, 1, "f 8 8", "f 8 8"), "weights are not constant"},
		"MatMul of two computed":       {oneNode("MatMul", none, 1, "f 8 8", "f 8 8"), oneNode("MatMul", none, 1, "q 8 8", "q 8 8"), "input 1 is uint8"},
		"Concat of two":                {oneNode("Concat", []onnxedit.Attribute{i("axis", 0)}, 1, "f 8", "f 8"), oneNode("Concat", []onnxedit.Attribute{i("axis", 0)}, 1, "f 8"), "one input"},
		"Conv within a texture":        {oneNode("Conv", none, 1, "f 1 8 16384", "f 8 8 3"), oneNode("Conv", none, 1, "f 1 8 16385", "f 8 8 3"), "longer than 16384"},
		"Conv in two dimensions":       {oneNode("Conv", none, 1, "f 1 8 9 9", "f 8 8 3 3"), oneNode("Conv", none, 1, "f 1 8 9 9 9", "f 8 8 3 3 3"), "has 5 axes, and only 3 to 4"},
		"Pow of two floats":            {oneNode("Pow", none, 1, "f 8", "f 8"), oneNode("Pow", none, 1, "f 8", "l 8"), "input 2 is int64"},
	} {
		t.Run(name, func(t *testing.T) {
			yes := reasons(predict(t, "coreml", parse(t, c.yes)))
			assert.NotContains(t, yes, "it")
			no := reasons(predict(t, "coreml", parse(t, c.no)))
			assert.Contains(t, no["it"], c.want)
		})
	}
}

// A graph is written "a>b b>c": who feeds whom; those in capitals are taken.
func TestTakenNodesAreGroupedAsTheRuntimeGroupsThem(t *testing.T) {
	for edges, want := range map[string]int{
		"A>B B>C":             1,
		"A>b b>C":             2,
		"a>B B>c":             1,
		"a>b":                 0,
		"A>B A>c c>D B>D":     2, // D waits for c, which waits for A
		"a>B a>C B>D C>D":     1,
		"A>b C>D":             1, // pieces need not hang together
		"A>b b>C D>E C>F E>F": 2,
		"a>B c>D B>E D>E":     1, // what is before the first taken node splits nothing
		"A>b b>C C>d d>E":     3,
		"A>A2 A2>b A>C b>D":   2,
	} {
		t.Run(edges, func(t *testing.T) {
			g, index, taken := &graph{}, map[string]int{}, []bool{}
			at := func(name string) int {
				i, ok := index[name]
				if !ok {
					i = len(index)
					index[name] = i
					taken = append(taken, strings.ToUpper(name[:1]) == name[:1])
					g.nodes, g.next, g.inputs = append(g.nodes, i), append(g.next, nil), append(g.inputs, 0)
				}
				return i
			}
			for edge := range strings.FieldsSeq(edges) {
				from, to, _ := strings.Cut(edge, ">")
				i, j := at(from), at(to)
				g.next[i] = append(g.next[i], j)
				g.inputs[j]++
			}
			assert.Equal(t, want, g.partitions(taken))
		})
	}
}
