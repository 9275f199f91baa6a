package signature

import (
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/internal/fault"
)

// passThrough are operators whose output is their input's ids, or table,
// unchanged.
var passThrough = []string{"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "DequantizeLinear"}

// Vocabulary is how many ids a model knows: the rows of the table in which it
// looks up input_ids. Only the CPU's kernels refuse an id beyond them; WebGPU's
// return a vector of whatever memory is there, so other providers need this
// number.
func Vocabulary(path, thing string) (int64, error) {
	m, err := onnxfile.Read(path)
	if err != nil {
		return 0, err
	}
	if n := smallestTable(m); n > 0 {
		return n, nil
	}
	return 0, &fault.Error{Kind: fault.Usage, Thing: thing, Got: "no table in which input_ids are looked up",
		Wanted: "a Gather from an initializer, whose rows say how many ids there are", Next: "measure it on the CPU, which checks ids itself"}
}

func smallestTable(m onnxfile.Model) (rows int64) {
	tables := map[string]int64{}
	for _, t := range m.Initializers {
		if len(t.Dims) > 0 {
			tables[t.Name] = t.Dims[0]
		}
	}
	ids := map[string]bool{"input_ids": true}
	for _, n := range m.Nodes { // ONNX wants nodes in the order of their data
		if len(n.Inputs) == 0 || len(n.Outputs) == 0 {
			continue
		}
		switch first := n.Inputs[0]; {
		case slices.Contains(passThrough, n.Op) && ids[first]:
			ids[n.Outputs[0]] = true
		case slices.Contains(passThrough, n.Op) && tables[first] > 0:
			tables[n.Outputs[0]] = tables[first]
		case n.Op == "Gather" && len(n.Inputs) == 2 && ids[n.Inputs[1]] && tables[first] > 0:
			if rows == 0 || tables[first] < rows {
				rows = tables[first]
			}
		}
	}
	return rows
}
