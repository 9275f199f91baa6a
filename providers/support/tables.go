package support

// tables are the providers of which it is known what they take, by their name
// in the catalogue.
var tables = map[string]table{"coreml": coreML}

// records are the providers of which it is known where the nodes of some graph
// ran, and no more.
var records = map[string]table{"webgpu": webGPU}

// webGPU is what this project saw: the operators of its own float32 export,
// each with where ONNX Runtime's record said that it ran.
var webGPU = table{
	source: []string{
		"measured: ONNX Runtime 1.30.0 of npm's onnxruntime-node on linux/amd64 with SwiftShader, all-MiniLM-L6-v2 in float32, from the profiler's record",
		"no list of what WebGPU can do: what was not in that graph is called not seen",
	},
	unlisted: "not seen on WebGPU: embedgate has measured no graph with this operator there",
	ops:      webGPUOps(),
}

func webGPUOps() map[string][]condition {
	ops := sameFor(all(seenIn("float32")), "Add Div Gather Gelu LayerNormalization MatMul Max Mul ReduceSum Reshape Slice Softmax Sqrt Squeeze Sub Transpose Unsqueeze "+
		"com.microsoft:BiasGelu com.microsoft:SkipLayerNormalization")
	ops["Shape"] = all(func(node) string { return "seen on the CPU: ONNX Runtime leaves the making of shapes to it" })
	ops["Cast"] = all(func(n node) string {
		if n.input(0).Type == "int64" {
			return "seen on the CPU: a Cast of 64-bit integers"
		}
		return "not seen on WebGPU: embedgate has measured no such Cast there"
	})
	return ops
}

// seenIn refuses a first input of another type than was measured.
func seenIn(typ string) condition {
	return func(n node) string {
		if got := n.input(0).Type; got != typ {
			if got == "" {
				got = "an unknown type"
			}
			return "not seen on WebGPU: measured there with " + typ + " alone, and this one has " + got
		}
		return ""
	}
}
