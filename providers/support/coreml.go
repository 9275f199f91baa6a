package support

import (
	"maps"
	"slices"
	"strings"
)

// coreML is what ONNX Runtime's CoreML provider takes as ML Program with
// RequireStaticInputShapes, read from its source. Where the list that ONNX
// Runtime publishes, or its own checker, says otherwise, the source and what
// this project saw count: Gather is taken; GatherND with computed indices, Cast
// of a graph input, and integers in Unsqueeze, Sub and the other arithmetic are
// not. An ONNX Runtime newer than the source may take more.
var coreML = table{
	source: []string{
		"onnxruntime/core/providers/coreml/builders/op_builder_factory.cc and builders/impl/*.cc in github.com/microsoft/onnxruntime at 04f568d8 and 1650d6fa (2026)",
		"tools/ci_build/github/apple/coreml_supported_mlprogram_ops.md at 04f568d8, corrected: it leaves Gather out",
		"microsoft/onnxruntime pull request 24594: the limit of 16384 for a size holds for Conv alone, so a vocabulary may be larger",
		"read from source; not compared with a Mac yet",
	},
	unlisted: "CoreML's ML Program has no such operator in ONNX Runtime",
	inputs:   []inputRule{fixedShapes, nothingEmpty, ranks(5)},
	ops:      coreMLOps(),
}

// number is what most of CoreML's operators compute in.
var number = types(0, "float32", "float16")

func coreMLOps() map[string][]condition {
	any5 := []string{"float32", "float16", "int32", "int64", "bool"}
	ops := map[string][]condition{
		"Pow":                all(number, types(1, "float32", "float16")),
		"PRelu":              all(number, inputRank(0, 3, 4), constant(1, "slopes")),
		"Clip":               all(number, constant(1, "bounds"), constant(2, "bounds")),
		"Cast":               all(types(0, any5...), castTo(any5...), fromNode),
		"Concat":             all(number, twoInputs),
		"Conv":               all(number, inputRank(0, 3, 4), constant(2, "biases"), sizesWithin(16384)),
		"ConvTranspose":      all(number, constant(1, "weights"), constant(2, "biases"), sizesWithin(16384)),
		"Gather":             all(types(0, "float32", "float16", "int64"), types(1, "int32", "int64"), scalarIndex, outputRank(5)),
		"GatherND":           all(types(0, any5...), types(1, "int32", "int64"), setTo("batch_dims", 0, 0), constant(1, "indices")),
		"Gemm":               all(number, constant(1, "weights"), constant(2, "biases"), setTo("transA", 0, 0), floatSetTo("alpha", 1, 1), floatSetTo("beta", 1, 1)),
		"GridSample":         all(number, inputRank(0, 4, 4)),
		"LayerNormalization": all(number, outputs(1, 1, "a graph for training"), constant(1, "weights"), constant(2, "biases"), setTo("stash_type", 1, 1)),
		"Range":              all(types(0, "float32", "float16", "int32")),
		"Reshape":            all(number, constant(1, "target shapes"), outputRank(5), noZeroSize),
		"Shape":              all(types(0, "float32", "float16", "int32", "int64")),
		"Slice":              all(types(0, "float32", "float16", "int64"), constant(1, "bounds"), constant(2, "bounds"), constant(3, "axes"), constant(4, "steps")),
		"Split":              all(number, constant(1, "sizes"), outputs(2, 1<<20, "a split has at least two")),
		"Squeeze":            all(number, constant(1, "axes")),
		"Unsqueeze":          all(number, constant(1, "axes"), outputRank(5)),
		"Tile":               all(number, inputRank(0, 0, 5)),
	}
	ops["InstanceNormalization"] = all(number, constant(1, "weights"), constant(2, "biases"))
	ops["GroupNormalization"] = ops["LayerNormalization"]
	ops["com.microsoft:FusedConv"] = ops["Conv"]
	for names, c := range map[string][]condition{
		// Activations, functions of one number, arithmetic, pools, and what moves floats.
		"Sigmoid Tanh Relu LeakyRelu Gelu Softplus Elu HardSigmoid com.microsoft:QuickGelu Erf Reciprocal Round Sqrt Exp Sin Cos Ceil " +
			"Add Sub Mul Div Max AveragePool MaxPool GlobalAveragePool GlobalMaxPool ArgMax DepthToSpace Identity MatMul Resize Softmax Transpose": all(number),
		"ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd": all(number, constant(1, "axes")),
	} {
		maps.Copy(ops, sameFor(c, names))
	}
	return ops
}

// sameFor gives each of the names, separated by spaces, the conditions.
func sameFor(c []condition, names string) map[string][]condition {
	ops := map[string][]condition{}
	for n := range strings.FieldsSeq(names) {
		ops[n] = c
	}
	return ops
}

// fromNode refuses a graph input: CoreML's Cast looks at the node that produced
// its operand.
func fromNode(n node) string {
	if !n.has(0) || !n.g.produced[n.Inputs[0]] {
		return "it is fed by a graph input, not by a node"
	}
	return ""
}

func castTo(these ...string) condition {
	return func(n node) string {
		if len(n.Outputs) == 0 || !slices.Contains(these, n.g.known[n.Outputs[0]].Type) {
			return "what it makes is not " + strings.Join(these, " or ")
		}
		return ""
	}
}

func twoInputs(n node) string {
	if len(n.Inputs) < 2 {
		return "it has one input, and at least two are taken"
	}
	return ""
}

func scalarIndex(n node) string {
	if d := n.input(1).Dims; d != nil && len(d) == 0 && len(n.input(0).Dims) > 4 {
		return "it takes one index of data with more than 4 axes"
	}
	return ""
}

func sizesWithin(most int64) condition {
	return func(n node) string {
		for _, in := range n.Inputs {
			if d := n.g.known[in].Dims; len(d) > 0 && slices.Max(d) > most {
				return "its input " + in + " has an axis longer than 16384"
			}
		}
		return ""
	}
}

// noZeroSize refuses a target shape with a 0 that means 0.
func noZeroSize(n node) string {
	if n.Int("allowzero", 0) != 0 && slices.Contains(n.input(1).Values, 0) {
		return "its target shape has a size of 0 (allowzero)"
	}
	return ""
}
