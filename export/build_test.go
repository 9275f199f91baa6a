package export

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile"
)

func manifestLine(t *testing.T, variants map[string]candidate.Variant) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(scriptManifest{Event: "manifest", Variants: variants, Versions: map[string]string{"torch": "1"}})
	require.NoError(t, err)
	return raw
}

func TestTheManifestLineMustSpeakOfWhatWasAskedFor(t *testing.T) {
	fp32, int8 := candidate.Variant{File: "fp32.onnx"}, candidate.Variant{File: "int8.onnx"}
	for name, c := range map[string]struct {
		raw  json.RawMessage
		want string
	}{
		"the same":         {manifestLine(t, map[string]candidate.Variant{"fp32": fp32, "int8": int8}), ""},
		"one less":         {manifestLine(t, map[string]candidate.Variant{"fp32": fp32}), "got variants [fp32]"},
		"one more":         {manifestLine(t, map[string]candidate.Variant{"fp32": fp32, "int8": int8, "x": {}}), "x]"},
		"in another file":  {manifestLine(t, map[string]candidate.Variant{"fp32": {File: "../fp32.onnx"}, "int8": int8}), "../fp32.onnx"},
		"a field too many": {json.RawMessage(`{"event":"manifest","variants":{},"more":1}`), "more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseManifest(c.raw, []string{"fp32", "int8"})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFileMustBeWhatItsNameAndItsManifestSay(t *testing.T) {
	ids := func(shape ...string) []candidate.Tensor {
		return []candidate.Tensor{{Name: "input_ids", Type: "int64", Shape: shape}}
	}
	out := func(kind string) []candidate.Tensor {
		return []candidate.Tensor{{Name: "sentence_embedding", Type: kind, Shape: []string{"batch", "3"}}}
	}
	for name, c := range map[string]struct {
		file     string
		inputs   []candidate.Tensor
		output   string
		opset    int
		manifest func(v *candidate.Variant)
		want     string
	}{
		"any shape":                        {"fp32.onnx", ids("batch", "sequence"), "float32", 20, nil, ""},
		"a fixed shape":                    {"fp32-static128.onnx", ids("1", "128"), "float32", 20, nil, ""},
		"a fixed shape of another length":  {"fp32-static128.onnx", ids("1", "64"), "float32", 20, nil, "wanted one row"},
		"a fixed shape of two rows":        {"fp32-static128.onnx", ids("2", "128"), "float32", 20, nil, "wanted one row"},
		"any shape where it must be fixed": {"fp32-static128.onnx", ids("batch", "sequence"), "float32", 20, nil, "wanted one row"},
		"a fixed shape where any is meant": {"fp32.onnx", ids("1", "128"), "float32", 20, nil, "wanted one row"},
		"float16 out":                      {"fp16.onnx", ids("batch", "sequence"), "float16", 20, nil, "wanted float32"},
		"another opset than is said":       {"fp32.onnx", ids("batch", "sequence"), "float32", 20, func(v *candidate.Variant) { v.Opset = 18 }, "opset 18"},
		"another shape than is said":       {"fp32.onnx", ids("batch", "sequence"), "float32", 20, func(v *candidate.Variant) { v.Inputs = ids("1", "2") }, "the file has"},
		"another output than is said":      {"fp32.onnx", ids("batch", "sequence"), "float32", 20, func(v *candidate.Variant) { v.Outputs = nil }, "the file has"},
	} {
		t.Run(name, func(t *testing.T) {
			v := candidate.Variant{File: c.file, Opset: c.opset, Inputs: c.inputs, Outputs: out(c.output)}
			m := onnxfile.Model{Opsets: map[string]int64{"": 20}}
			for _, in := range v.Inputs {
				m.Inputs = append(m.Inputs, onnxfile.Value{Name: in.Name, Type: in.Type, Shape: in.Shape})
			}
			for _, out := range v.Outputs {
				m.Outputs = append(m.Outputs, onnxfile.Value{Name: out.Name, Type: out.Type, Shape: out.Shape})
			}
			if c.manifest != nil {
				c.manifest(&v)
			}
			err := agrees(m, v)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
