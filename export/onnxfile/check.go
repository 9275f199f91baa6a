package onnxfile

import (
	"fmt"
	"strings"
)

// ownDomains are ONNX's own operators, and the runtime's contributed ones that
// its quantisation tools emit. Anything else needs a library that is not
// pinned.
var ownDomains = map[string]bool{"": true, "ai.onnx": true, "com.microsoft": true}

// maxSignature bounds a graph's inputs and outputs. A language model that
// keeps keys and values of earlier runs has some hundreds.
const maxSignature = 4096

// Check refuses a model that must not be given to a runtime: data outside the
// file, custom operators, tensors without their data.
func Check(m Model) error {
	if len(m.Nodes) == 0 || len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return fmt.Errorf("got %d nodes, %d inputs and %d outputs, wanted a graph", len(m.Nodes), len(m.Inputs), len(m.Outputs))
	}
	if max(len(m.Inputs), len(m.Outputs)) > maxSignature {
		return fmt.Errorf("got %d inputs and %d outputs, wanted at most %d of each", len(m.Inputs), len(m.Outputs), maxSignature)
	}
	if m.Opsets[""] == 0 {
		return fmt.Errorf("got no opset of ONNX's own operators, wanted one")
	}
	for _, n := range m.Nodes {
		if m.functions[functionKey(n.Domain, n.Op)] {
			return fmt.Errorf("node %q: got a call of the file's own function %s of domain %q, wanted its operators in the graph itself: "+
				"what a function computes is not counted; inline it with onnx.inliner.inline_local_functions", n.Name, n.Op, n.Domain)
		}
		if !ownDomains[n.Domain] {
			return fmt.Errorf("node %q: got operator %s of custom domain %q, wanted ONNX's own operators", n.Name, n.Op, n.Domain)
		}
	}
	for _, t := range m.Initializers {
		if err := t.check(); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

func (t Initializer) check() error {
	if t.External != "" {
		return fmt.Errorf("got external data at %q, wanted its data inside the file: external files can be links to anything", strings.ToValidUTF8(t.External, "?"))
	}
	y, ok := types[t.Type]
	if !ok {
		return fmt.Errorf("got data type %d, wanted a number of TensorProto.DataType that ONNX Runtime has kernels for", t.Type)
	}
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || (d > 0 && n > maxBytes/d) {
			return fmt.Errorf("got shape %v, wanted one that fits in memory", t.Dims)
		}
		n *= d
	}
	if t.Elements >= 0 {
		want := n
		if y.bits < 8 { // typed fields hold the packed bytes, one in each element
			want = packed(n, t.Type)
		}
		if y.bits != 0 && int64(t.Elements) != want {
			return fmt.Errorf("got %d elements for shape %v of %s, wanted %d", t.Elements, t.Dims, y.name, want)
		}
		return nil
	}
	if want := packed(n, t.Type); int64(t.Bytes) != want {
		return fmt.Errorf("got %d bytes for shape %v of %s, wanted %d", t.Bytes, t.Dims, y.name, want)
	}
	return nil
}
