// Package signature reads from an ONNX model how it is run: its inputs, its
// output, fixed axes, and the size of its vocabulary. It must not know sessions,
// providers or batches.
package signature

import (
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

// Role is what an input holds.
type Role uint8

const (
	RoleIDs   Role = iota // token ids
	RoleMask              // 1 for a token, 0 for padding
	RoleTypes             // the segment: 0 for a single text
)

// inputRoles are the inputs that a BERT-family encoder has, by the names every
// exporter gives them.
var inputRoles = map[string]Role{
	"input_ids":      RoleIDs,
	"attention_mask": RoleMask,
	"token_type_ids": RoleTypes,
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

// Input is one input of a model.
type Input struct {
	Name  string
	Role  Role
	Int32 bool
}

// Signature is what a model's inputs and output are.
type Signature struct {
	Inputs         []Input
	Output         string
	OutputIndex    int  // of output among the model's outputs
	OutputCount    int  // how many those are
	Pooled         bool // output is [B, D]; otherwise [B, S, D]
	Rows           int  // the batch size that the graph is fixed to; 0: any
	Cols           int  // likewise the sequence length
	DimensionKnown bool // the file itself says that D is the configured dimension
}

// OutputShape is the shape of the output for a batch of rows × cols tokens.
func (s Signature) OutputShape(rows, cols, dim int) ort.Shape {
	if s.Pooled {
		return ort.NewShape(int64(rows), int64(dim))
	}
	return ort.NewShape(int64(rows), int64(cols), int64(dim))
}

// Of decides how to run a model with these inputs and outputs as the
// embedding e. thing names the model in errors.
func Of(thing string, ins, outs []ort.InputOutputInfo, e candidate.Embedding) (Signature, error) {
	var s Signature
	refuse := func(got, wanted string) (Signature, error) {
		return Signature{}, &fault.Error{Kind: fault.Usage, Thing: thing, Got: got, Wanted: wanted,
			Next: "export it again with embedgate export, or as sentence-transformers names its tensors"}
	}
	have := map[Role]bool{}
	for i := range ins {
		in := &ins[i]
		r, ok := inputRoles[in.Name]
		if !ok {
			return refuse("input "+in.String(), "only the inputs input_ids, attention_mask and token_type_ids")
		}
		if in.OrtValueType != ort.ONNXTypeTensor || len(in.Dimensions) != 2 {
			return refuse("input "+in.String(), "a tensor of batch × sequence")
		}
		rows, cols, ok := fixedShape(in.Dimensions)
		if !ok || len(s.Inputs) > 0 && (rows != s.Rows || cols != s.Cols) {
			return refuse("input "+in.String(), "a batch and a sequence that every input has alike, dynamic or fixed")
		}
		s.Rows, s.Cols = rows, cols
		switch in.DataType {
		case ort.TensorElementDataTypeInt64:
		case ort.TensorElementDataTypeInt32:
		default:
			return refuse("input "+in.String(), "int64 or int32")
		}
		have[r] = true
		s.Inputs = append(s.Inputs, Input{in.Name, r, in.DataType == ort.TensorElementDataTypeInt32})
	}
	if !have[RoleIDs] || !have[RoleMask] {
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
			s.Output, s.Pooled, s.DimensionKnown = out.Name, want.pooled, d > 0
			s.OutputIndex, s.OutputCount = i, len(outs)
			return s, nil
		}
	}
	return refuse("outputs "+names(outs), "sentence_embedding, last_hidden_state or token_embeddings")
}

// maxFixed bounds what a file can make this package pad a batch to.
const maxFixed = 1 << 20

// fixedShape reads an input's batch and sequence, 0 where they are dynamic.
func fixedShape(dims ort.Shape) (rows, cols int, ok bool) {
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
