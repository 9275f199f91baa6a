package placement

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
)

func event(op string, outputs []int64, inputs ...[]int64) providers.NodeEvent {
	return providers.NodeEvent{Name: "n", Op: op, Inputs: inputs, Outputs: [][]int64{outputs}, Runs: 1}
}

// Shapes as ONNX Runtime 1.32 recorded them for the real model; the CPU's
// records have no weights, for it packed them.
func TestArithmeticIsCountedFromRecordedShapes(t *testing.T) {
	const dense, ffn, scores = 2 * 16 * 384 * 384, 2 * 16 * 384 * 1536, 2 * 12 * 16 * 16 * 32
	for name, c := range map[string]struct {
		event providers.NodeEvent
		want  float64
	}{
		"a product with its weights":        {event("MatMul", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384, 384}), dense},
		"a product with packed weights":     {event("MatMul", []int64{1, 16, 1536}, []int64{1, 16, 384}), ffn},
		"scores":                            {event("MatMul", []int64{1, 12, 16, 16}, []int64{1, 12, 16, 32}, []int64{1, 12, 32, 16}), scores},
		"context":                           {event("MatMul", []int64{1, 12, 16, 32}, []int64{1, 12, 16, 16}, []int64{1, 12, 16, 32}), scores},
		"a transposed first input":          {event("FusedMatMul", []int64{1, 12, 16, 20}, []int64{1, 12, 32, 16}), 2 * 12 * 16 * 20 * 32},
		"a row by a matrix":                 {event("MatMul", []int64{5}, []int64{3}, []int64{3, 5}), 30},
		"int8 with scales":                  {event("MatMulIntegerToFloat", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{}, []int64{384}), dense},
		"int8 that quantises itself":        {event("DynamicQuantizeMatMul", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384}), dense},
		"blocks of bits":                    {event("MatMulNBits", []int64{1, 16, 384}, []int64{1, 16, 1536}, []int64{384, 48, 16}), ffn},
		"ONNX's attention of four axes":     {event("Attention", []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}, []int64{1, 12, 16, 32}), 2 * scores},
		"attention of three axes":           {event("MultiHeadAttention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1, 16, 384}), 2 * scores},
		"attention that projects":           {event("Attention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{384, 1152}, []int64{1152}), 3*dense + 2*scores},
		"attention that packed its weights": {event("QAttention", []int64{1, 16, 384}, []int64{1, 16, 384}, []int64{1152}), 3*dense + 2*scores},
		"a convolution":                     {event("Conv", []int64{1, 8, 10, 10}, []int64{1, 3, 12, 12}, []int64{8, 3, 3, 3}), 2 * 8 * 100 * 27},
		"what multiplies no matrices":       {event("Softmax", []int64{1, 12, 16, 16}, []int64{1, 12, 16, 16}), 0},
	} {
		got, ok := flopsOf(c.event)
		assert.True(t, ok, name)
		assert.Equal(t, c.want, got, name)
	}
	for name, e := range map[string]providers.NodeEvent{
		"a product without shapes":        {Op: "MatMul"},
		"a product of nothing":            event("MatMul", []int64{1}, []int64{}),
		"attention packed into one":       event("GroupQueryAttention", []int64{1, 16, 384}, []int64{1, 16, 1152}),
		"attention without shapes":        {Op: "Attention"},
		"attention of vectors":            event("Attention", []int64{3}, []int64{3}),
		"a convolution with lost weights": event("Conv", []int64{1, 8, 10, 10}, []int64{1, 3, 12, 12}),
	} {
		_, ok := flopsOf(e)
		assert.False(t, ok, name)
	}
}

// A record comes from another machine: with any numbers in it, the shares must
// be between 0 and 1.
func FuzzPlacementRecord(f *testing.F) {
	ok, err := json.Marshal(good.Record(16, "CUDAExecutionProvider"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ok)
	f.Add([]byte(`{"tokens":1,"assigned":[{"ep":"x","nodes":[{"name":"n","op":"Conv"}]}],"events":[{"name":"n","op":"Conv","ep":"x","inputs":[[],[2147483648,2147483648,0]],"outputs":[[0]],"runs":1,"ns":0}]}`))
	f.Add([]byte(`{"tokens":1,"assigned":[{"ep":"x","nodes":[{"name":"n","op":"A"}]}],"events":[{"name":"n","op":"Attention","ep":"x","inputs":[[1,2,3],[4]],"outputs":[[1,2,3]],"runs":9223372036854775807,"ns":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r evidence.PlacementRun
		if strictjson.Decode(data, &r) != nil || len(recordProblems(r)) > 0 {
			return
		}
		s, _ := sharesOf(r, "CUDAExecutionProvider", good.Graph([]int{16}).Costs[16])
		for _, v := range []float64{s.nodeShare, s.timeShare, check.Rounded(s.flopsShare())} {
			assert.True(t, v >= 0 && v <= 1+1e-9, "%v", v)
		}
	})
}

func TestAttentionCountsAsTwoProducts(t *testing.T) {
	assert.Equal(t, 2, productsOf(providers.PlannedOp{Op: "ios18.scaled_dot_product_attention"}))
	assert.Equal(t, 0, productsOf(providers.PlannedOp{Op: "ios17.linear.softmax"}))
}
