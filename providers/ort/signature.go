package ort

import (
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

// role is what an input carries.
type role uint8

const (
	roleIDs role = iota
	roleMask
	roleTypes
)

// inputRoles are the inputs that a BERT-family encoder has, by the names every
// exporter gives them.
var inputRoles = map[string]role{
	"input_ids":      roleIDs,
	"attention_mask": roleMask,
	"token_type_ids": roleTypes,
}

// outputNames in the order of preference. A pooled output is what the exporter
// meant to be used; token vectors are pooled here.
var outputNames = []struct {
	name   string
	pooled bool
}{
	{"sentence_embedding", true},
	{"last_hidden_state", false},
	{"token_embeddings", false},
}

type input struct {
	name  string
	role  role
	int32 bool
}

// signature is how a model is fed and what it gives.
type signature struct {
	inputs []input
	output string
	place  int  // of output among the model's outputs
	of     int  // how many those are
	pooled bool // output is [B, D]; otherwise [B, S, D]
	rows   int  // the batch size that the graph is fixed to; 0: any
	cols   int  // likewise the sequence length
	known  bool // the file itself says that D is the configured dimension
}

// outputShape is what a batch of that shape is answered with.
func (s signature) outputShape(at shape, dim int) ort.Shape {
	if s.pooled {
		return ort.NewShape(int64(at.rows), int64(dim))
	}
	return ort.NewShape(int64(at.rows), int64(at.cols), int64(dim))
}

// signatureOf decides how to run a model with these inputs and outputs as the
// embedding e. thing names the model in errors.
func signatureOf(thing string, ins, outs []ort.InputOutputInfo, e candidate.Embedding) (signature, error) {
	var s signature
	refuse := func(got, wanted string) (signature, error) {
		return signature{}, &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted,
			Next: "export it again with embedgate export, or as sentence-transformers names its tensors"}
	}
	have := map[role]bool{}
	for i := range ins {
		in := &ins[i]
		r, ok := inputRoles[in.Name]
		if !ok {
			return refuse("input "+in.String(), "only the inputs input_ids, attention_mask and token_type_ids")
		}
		if in.OrtValueType != ort.ONNXTypeTensor || len(in.Dimensions) != 2 {
			return refuse("input "+in.String(), "a tensor of batch × sequence")
		}
		rows, cols, ok := fixedTo(in.Dimensions)
		if !ok || len(s.inputs) > 0 && (rows != s.rows || cols != s.cols) {
			return refuse("input "+in.String(), "a batch and a sequence that every input has alike, dynamic or fixed")
		}
		s.rows, s.cols = rows, cols
		switch in.DataType {
		case ort.TensorElementDataTypeInt64:
		case ort.TensorElementDataTypeInt32:
		default:
			return refuse("input "+in.String(), "int64 or int32")
		}
		have[r] = true
		s.inputs = append(s.inputs, input{in.Name, r, in.DataType == ort.TensorElementDataTypeInt32})
	}
	if !have[roleIDs] || !have[roleMask] {
		return refuse("inputs "+names(ins), "input_ids and attention_mask")
	}
	for _, want := range outputNames {
		for i := range outs {
			out := &outs[i]
			if out.Name != want.name {
				continue
			}
			rank, shape := 2, "batch × dimension"
			if !want.pooled {
				rank, shape = 3, "batch × sequence × dimension"
			}
			if out.OrtValueType != ort.ONNXTypeTensor || len(out.Dimensions) != rank {
				return refuse("output "+out.String(), "a tensor of "+shape)
			}
			if out.DataType != ort.TensorElementDataTypeFloat {
				return refuse("output "+out.String(), "float32")
			}
			d := out.Dimensions[rank-1]
			if d > 0 && d != int64(e.Dimension) {
				return refuse(fmt.Sprintf("output %s of dimension %d", out.Name, d),
					fmt.Sprintf("%d, as the model's configuration says", e.Dimension))
			}
			s.output, s.pooled, s.known = out.Name, want.pooled, d > 0
			s.place, s.of = i, len(outs)
			return s, nil
		}
	}
	return refuse("outputs "+names(outs), "sentence_embedding, last_hidden_state or token_embeddings")
}

// maxFixed bounds what a file can make this package pad a batch to.
const maxFixed = 1 << 20

// fixedTo reads an input's batch and sequence, 0 where they are dynamic.
func fixedTo(dims ort.Shape) (rows, cols int, ok bool) {
	r, c := max(dims[0], 0), max(dims[1], 0)
	if r > maxFixed || c > maxFixed || r*c > maxFixed {
		return 0, 0, false
	}
	return int(r), int(c), true
}

func names(infos []ort.InputOutputInfo) string {
	all := make([]string, len(infos))
	for i := range infos {
		all[i] = infos[i].Name
	}
	return strings.Join(all, ", ")
}
