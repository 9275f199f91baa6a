package inspect_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/inspect"
)

func modelFile(t testing.TB, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(p, b, 0o666))
	return p
}

func TestInspectTellsWhatAFileHolds(t *testing.T) {
	b := onnxedit.Encoder{Rows: "batch", Cols: "sequence", Mask: onnxedit.MaskCast}.Graph().Bytes()
	path := modelFile(t, b)
	x, err := pipeline.Inspect(path, "coreml", []int{4, 8})
	require.NoError(t, err)
	assert.Equal(t, path, x.File)
	assert.Equal(t, int64(len(b)), x.Bytes)
	assert.Equal(t, "handmade", x.Producer)
	assert.Equal(t, map[string]int64{"": 20}, x.Opsets)
	assert.Equal(t, []inspect.Value{
		{Name: "input_ids", Type: "int64", Shape: []string{"batch", "sequence"}}, {Name: "attention_mask", Type: "int64", Shape: []string{"batch", "sequence"}},
	}, x.Inputs)
	assert.Equal(t, []inspect.Axis{{Symbol: "batch", Axis: 0, Of: []string{"input_ids", "attention_mask"}}, {Symbol: "sequence", Axis: 1, Of: []string{"input_ids", "attention_mask"}}}, x.Dynamic)
	assert.Equal(t, inspect.Operator{Op: "MatMul", Count: 8}, x.Operators[0])
	assert.Equal(t, 36, x.Nodes)
	assert.Equal(t, int64(32*8+2+2+2+2*8+3*64+2*8*16), x.Parameters, "shapes and axes are none")
	assert.Equal(t, []inspect.Weights{
		{Type: "float32", Tensors: 12, Numbers: x.Parameters, Bytes: 4 * x.Parameters}, {Type: "int64", Tensors: 5, Numbers: 10, Bytes: 80},
	}, x.Weights)
	require.Len(t, x.Costs, 2)
	assert.Equal(t, inspect.Cost{Batch: 1, Tokens: 4, FLOPs: 3*2*64*4 + 2*2*128*4 + 2*2*8*16 + 2*8*4}, x.Costs[0])
	assert.Equal(t, inspect.Table, x.Readiness.Basis)
	assert.NotEmpty(t, x.Readiness.Source)
	assert.Zero(t, x.Readiness.Prediction.OnProvider)
}

func TestInspectOfAFixedGraphCountsItsOwnLength(t *testing.T) {
	x, err := pipeline.Inspect(modelFile(t, onnxedit.Encoder{Rows: "1", Cols: "32", Mask: onnxedit.MaskGather}.Graph().Bytes()), "", []int{4, 8})
	require.NoError(t, err)
	require.Len(t, x.Costs, 1)
	assert.Equal(t, 32, x.Costs[0].Tokens)
	assert.True(t, x.Costs[0].Fixed)
	assert.Empty(t, x.Dynamic)
	assert.Nil(t, x.Readiness)
}

func TestInspectSaysWhatItDoesNotKnow(t *testing.T) {
	path := modelFile(t, onnxedit.Graph{
		Inputs: []onnxedit.Value{{Name: "x", Type: 1, Shape: []string{"batch", "8"}}}, Outputs: []onnxedit.Value{{Name: "out", Type: 1}},
		Nodes:        []onnxedit.Node{{Name: "it", Op: "Einsum", In: []string{"x", "w"}, Out: []string{"out"}}},
		Initializers: []onnxedit.Tensor{onnxedit.Zeros("w", 8, 8)},
	}.Bytes())
	x, err := pipeline.Inspect(path, "cuda", []int{4})
	require.NoError(t, err)
	assert.Contains(t, x.Costs[0].Error, `node "it"`)
	assert.Zero(t, x.Costs[0].FLOPs)
	assert.Equal(t, &inspect.Readiness{Provider: "cuda", Basis: inspect.None, Source: []string{}}, x.Readiness)
	x, err = pipeline.Inspect(path, "webgpu", nil)
	require.NoError(t, err)
	assert.Equal(t, inspect.Record, x.Readiness.Basis)
}

func TestInspectRefuses(t *testing.T) {
	good := onnxedit.Encoder{Rows: "1", Cols: "32"}.Graph().Bytes()
	external := onnxedit.Model{Initializers: []onnxedit.Tensor{{Name: "w", Type: 1, Dims: []int64{3}, External: "weights.bin"}}}.Bytes()
	for name, c := range map[string]struct {
		b        []byte
		provider string
		tokens   []int
		want     string
	}{
		"an unknown provider": {good, "npu", nil, `provider: got "npu", wanted one of cpu, coreml`},
		"no length":           {good, "", []int{0}, "tokens: got 0"},
		"a length too long":   {good, "", []int{1 << 30}, "wanted lengths from 1"},
		"a truncated file":    {good[:len(good)/2], "coreml", nil, "end early"},
		"external data":       {external, "coreml", nil, "external data"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pipeline.Inspect(modelFile(t, c.b), c.provider, c.tokens)
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			assert.Contains(t, err.Error(), "next: ")
		})
	}
	_, err := pipeline.Inspect(filepath.Join(t.TempDir(), "absent.onnx"), "", nil)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}

func TestInspectOfTheRealModel(t *testing.T) {
	c := exporttest.Candidate(t)
	x, err := pipeline.Inspect(filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File), "", []int{16, 128})
	require.NoError(t, err)
	for _, cost := range x.Costs {
		s := float64(cost.Tokens)
		assert.InEpsilon(t, 21.23e6*s+9216*s*s, cost.FLOPs, 0.01)
	}
	assert.InEpsilon(t, 22.6e6, x.Parameters, 0.01)
	assert.Equal(t, "float32", x.Weights[0].Type)
	var symbols []string
	for _, a := range x.Dynamic {
		symbols = append(symbols, a.Symbol)
	}
	assert.Equal(t, "batch sequence", strings.Join(symbols, " "))
}

func FuzzInspect(f *testing.F) {
	for _, mask := range []onnxedit.Mask{onnxedit.MaskGather, onnxedit.MaskCast, onnxedit.MaskInt64, onnxedit.MaskGatherND} {
		f.Add(onnxedit.Encoder{Rows: "batch", Cols: "32", Mask: mask}.Graph().Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := pipeline.Inspect(modelFile(t, b), "", []int{1, 128}); err != nil {
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		}
	})
}
