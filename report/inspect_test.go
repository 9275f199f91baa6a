package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/inspect"
	"github.com/embedgate/embedgate/report"
)

// inspected inspects a graph and gives the file a name that is the same on every
// machine.
func inspected(t *testing.T, g onnxedit.Graph, provider string) inspect.Result {
	path := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(path, g.Bytes(), 0o666))
	x, err := pipeline.Inspect(path, provider, []int{1, 128})
	require.NoError(t, err)
	x.File = "model.onnx"
	return x
}

func TestInspectionsAreShown(t *testing.T) {
	static := onnxedit.Encoder{Rows: "1", Cols: "128", Mask: onnxedit.MaskGather}.Graph()
	dynamic := onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: onnxedit.MaskGatherND}.Graph()
	strange := onnxedit.Graph{
		Inputs: []onnxedit.Value{{Name: "x", Type: 1}, {Name: "one", Type: 1, Shape: []string{}}}, Outputs: []onnxedit.Value{{Name: "y", Type: 1, Shape: []string{"?"}}},
		Nodes:        []onnxedit.Node{{Op: "MatMul", In: []string{"x", "w"}, Out: []string{"y"}}},
		Initializers: []onnxedit.Tensor{onnxedit.Zeros("w", 8, 8)}, MicrosoftOps: true,
	}
	saturating := onnxedit.Graph{
		Inputs: []onnxedit.Value{{Name: "x", Type: 2, Shape: []string{"batch", "2"}}}, Outputs: []onnxedit.Value{{Name: "y", Type: 6}},
		Nodes:        []onnxedit.Node{{Name: "ffn", Op: "MatMulInteger", In: []string{"x", "w"}, Out: []string{"y"}}, {Name: "other", Op: "MatMulInteger", In: []string{"x", "computed"}, Out: []string{"z"}}},
		Initializers: []onnxedit.Tensor{{Name: "w", Type: 3, Dims: []int64{2, 2}, Raw: []byte{65, 1, 64, 1}}},
	}
	for name, x := range map[string]inspect.Result{
		"inspect":                inspected(t, dynamic, ""),
		"inspect-coreml-whole":   inspected(t, static, "coreml"),
		"inspect-coreml-not":     inspected(t, dynamic, "coreml"),
		"inspect-coreml-cast":    inspected(t, onnxedit.Encoder{Rows: "1", Cols: "128", Mask: onnxedit.MaskCast}.Graph(), "coreml"),
		"inspect-webgpu":         inspected(t, dynamic, "webgpu"),
		"inspect-cuda":           inspected(t, static, "cuda"),
		"inspect-coreml-strange": inspected(t, strange, "coreml"),
		"inspect-saturation":     inspected(t, saturating, ""),
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, report.Inspection(&b, x))
			narrow(t, b.String())
			golden(t, name+".txt", b.Bytes())
			j, err := json.Marshal(x)
			require.NoError(t, err)
			var back inspect.Result
			require.NoError(t, json.Unmarshal(j, &back))
			back.Words = x.Words // which JSON does not hold
			require.Equal(t, x, back)
		})
	}
}

func TestAHostileFileNeitherSteersATerminalNorWidensATable(t *testing.T) {
	bad := "\x1b[2J\u202e" + strings.Repeat("w", 300)
	x := inspect.Result{
		File: bad, Producer: bad, Opsets: map[string]int64{bad: 1}, Inputs: []inspect.Value{{Name: bad, Type: bad, Shape: []string{bad}}},
		Dynamic: []inspect.Axis{{Symbol: "\x1b[2J", Of: []string{"\x1b[2J"}}}, Operators: []inspect.Operator{{Op: "\x1b[2J", Count: 1}},
		Costs:     []inspect.Cost{{Tokens: 1, Error: "node \x1b[2J"}},
		Readiness: &inspect.Readiness{Provider: "coreml", Basis: inspect.Table, Prediction: &inspect.Prediction{Nodes: 2, OnProvider: 1, Elsewhere: []inspect.Refusal{{Node: bad, Op: bad, Reason: bad}}}},
	}
	var b bytes.Buffer
	require.NoError(t, report.Inspection(&b, x))
	require.NotContains(t, b.String(), "\x1b")
	require.NotContains(t, b.String(), "\u202e")
}

func TestMoreReasonsThanAnybodyReadsAreCounted(t *testing.T) {
	p := inspect.Prediction{Nodes: 1000}
	for i := range 1000 {
		p.Elsewhere = append(p.Elsewhere, inspect.Refusal{Node: fmt.Sprint("n", i), Op: "MatMul", Reason: fmt.Sprint("reason ", i)})
	}
	var b bytes.Buffer
	require.NoError(t, report.Inspection(&b, inspect.Result{Readiness: &inspect.Readiness{Provider: "coreml", Basis: inspect.Table, Prediction: &p}}))
	require.Contains(t, b.String(), "950 more reasons, with --json")
	require.Less(t, strings.Count(b.String(), "\n"), 100)
}
