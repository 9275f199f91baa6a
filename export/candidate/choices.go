package candidate

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// choicesAgree compares what a manifest says of the weights of an int8 variant
// with its graph: each is stored as 8-bit integers and used as its form says, with
// as many units in float32, and no other weight is multiplied so. Which units
// those are, and the smoothing, are in the weights alone and are not checked.
func choicesAgree(choices []Choice, file onnxfile.Model) error {
	if len(choices) == 0 {
		return nil
	}
	weights := map[string]onnxfile.Initializer{}
	for _, w := range file.Initializers {
		weights[w.Name] = w
	}
	uses := map[string]Form{}
	for _, n := range file.Nodes {
		switch {
		case n.Op == "MatMulInteger" && len(n.Inputs) > 1:
			uses[n.Inputs[1]] = FormInt8
		case n.Op == "Gather" && len(n.Inputs) > 0 && uses[n.Inputs[0]] == "":
			uses[n.Inputs[0]] = FormRows
		}
	}
	listed := map[string]bool{}
	for _, c := range choices {
		name := c.Weight + ".q"
		switch w, ok := weights[name]; {
		case listed[name]:
			return fmt.Errorf("got %q twice in choices, wanted it once", clip(c.Weight))
		case !ok || w.TypeName() != "int8" || len(w.Dims) != 2:
			return fmt.Errorf("got no matrix %q of int8, wanted one, as choices in %s say", clip(name), ManifestName)
		case uses[name] != c.Form:
			return fmt.Errorf("got %q used as %q, wanted form %q, as choices in %s say", clip(name), uses[name], c.Form, ManifestName)
		}
		listed[name] = true
		beside := weights[c.Weight+".outliers"].Dims
		if n := int64(len(c.Outliers)); n > 0 && !slices.Contains(beside, n) || n == 0 && beside != nil {
			return fmt.Errorf("got float32 units of shape %v beside %q, wanted %d, as choices in %s say", beside, clip(c.Weight), n, ManifestName)
		}
	}
	for name, form := range uses {
		if form == FormInt8 && !listed[name] {
			return fmt.Errorf("got %q multiplied as 8-bit integers, wanted only the weights that choices in %s name", clip(name), ManifestName)
		}
	}
	return nil
}
