package support

import (
	"fmt"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/onnxfile/infer"
)

// table is what is known of one provider's operators.
type table struct {
	source []string
	// unlisted is said of an operator that is not in ops.
	unlisted string
	// inputs hold for every input of every node.
	inputs []inputRule
	// ops are the operators that the provider takes, each under conditions that
	// say why it does not where one fails.
	ops map[string][]condition
}

// node is a node that may be taken.
type node struct {
	onnxfile.Node
	g *graph
}

// condition returns the reason for which a node is not taken, or "".
type condition func(n node) string

// inputRule returns the reason for which a node with such an input is not
// taken, or "".
type inputRule func(name string, t infer.Tensor, n node) string

// refusal returns the reason for which the provider does not take the node, or
// "": its operator's own reason first, since it remains when shapes are fixed.
func (t table) refusal(n node) string {
	conditions, listed := t.ops[n.Kind()]
	if !listed {
		return t.unlisted
	}
	for _, c := range conditions {
		if reason := c(n); reason != "" {
			return reason
		}
	}
	for _, in := range n.Inputs {
		for _, r := range t.inputs {
			if in == "" {
				continue
			}
			if reason := r(in, n.g.known[in], n); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// input is what is known of an input; nothing of one that is left out.
func (n node) input(i int) infer.Tensor {
	if !n.has(i) {
		return infer.Tensor{}
	}
	return n.g.known[n.Inputs[i]]
}

func (n node) has(i int) bool { return i < len(n.Inputs) && n.Inputs[i] != "" }

// fixedShapes refuses inputs with an axis that is not fixed in the file.
func fixedShapes(name string, t infer.Tensor, n node) string {
	switch {
	case t.Dims == nil:
		return fmt.Sprintf("the shape of its input %s is not known, and fixed shapes are required (RequireStaticInputShapes)", name)
	case t.Fixed():
		return ""
	}
	return n.g.unfixed + ", and fixed shapes are required (RequireStaticInputShapes)"
}

// nothingEmpty refuses inputs without elements.
func nothingEmpty(name string, t infer.Tensor, _ node) string {
	if slices.Contains(t.Dims, 0) {
		return "its input " + name + " has an axis of size 0"
	}
	return ""
}

// ranks refuses inputs with more axes than most.
func ranks(most int) inputRule {
	return func(name string, t infer.Tensor, _ node) string {
		if len(t.Dims) > most {
			return fmt.Sprintf("its input %s has %d axes, and at most %d are taken", name, len(t.Dims), most)
		}
		return ""
	}
}

// types refuses an input of other types than these. What the file does not say
// is refused too.
func types(i int, these ...string) condition {
	return func(n node) string {
		if got := n.input(i).Type; !slices.Contains(these, got) {
			if got == "" {
				got = "of unknown type"
			}
			return fmt.Sprintf("its input %d is %s, not %s", i+1, got, strings.Join(these, " or "))
		}
		return ""
	}
}

// constant refuses an input that is there and no constant.
func constant(i int, what string) condition {
	return func(n node) string {
		if n.has(i) && !n.input(i).Const {
			return "its " + what + " are not constant: they are computed in the graph or given from outside"
		}
		return ""
	}
}

// setTo refuses an integer attribute of another value; otherwise is what it is
// where the node does not say.
func setTo(name string, want, otherwise int64) condition {
	return func(n node) string {
		if got := n.Int(name, otherwise); got != want {
			return fmt.Sprintf("%s is %d, and only %d is taken", name, got, want)
		}
		return ""
	}
}

// floatSetTo is setTo for a float attribute.
func floatSetTo(name string, want, otherwise float32) condition {
	return func(n node) string {
		if got := n.Float(name, otherwise); got != want {
			return fmt.Sprintf("%s is %g, and only %g is taken", name, got, want)
		}
		return ""
	}
}

// outputs refuses other numbers of outputs.
func outputs(least, most int, why string) condition {
	return func(n node) string {
		if len(n.Outputs) < least || len(n.Outputs) > most {
			return fmt.Sprintf("it has %d outputs: %s", len(n.Outputs), why)
		}
		return ""
	}
}

// outputRank refuses results with more axes than most.
func outputRank(most int) condition {
	return func(n node) string {
		if len(n.Outputs) > 0 && len(n.g.known[n.Outputs[0]].Dims) > most {
			return fmt.Sprintf("its result has %d axes, and at most %d are taken", len(n.g.known[n.Outputs[0]].Dims), most)
		}
		return ""
	}
}

// inputRank refuses an input whose number of axes is known and not between.
func inputRank(i, least, most int) condition {
	return func(n node) string {
		if d := n.input(i).Dims; d != nil && (len(d) < least || len(d) > most) {
			return fmt.Sprintf("its input %d has %d axes, and only %d to %d are taken", i+1, len(d), least, most)
		}
		return ""
	}
}

// all combines conditions.
func all(c ...condition) []condition { return c }
