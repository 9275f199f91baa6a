package binding_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestAPredictedSplitFailsWhateverWasMeasured(t *testing.T) {
	split := check.Prediction{Nodes: 210, Partitions: 2, Refused: []check.Refusal{
		{Node: "gather", Op: "GatherND", Reason: "its indices are computed"}, {Node: "cast_1", Op: "Cast", Reason: "it is fed by an input"}, {Node: "cast_2", Op: "Cast", Reason: "it is fed by an input"},
	}}
	predict := func(in *check.Input, p check.Prediction) {
		g := validatetest.SmallGraph()
		g.Predicted = map[string]check.Prediction{"coreml": p}
		in.Graphs["fp32"] = g
	}
	in := validatetest.SmallInput(t)
	predict(&in, split)
	absent := evidence.Evidence{
		Schema: evidence.Schema, Provider: "coreml", Variant: "fp32", Candidate: in.Candidate.Digest, Policy: in.Policy.Digest,
		Golden: in.Golden.Digest, Nonce: in.Nonce, NotMeasured: &evidence.NotMeasured{Reason: "no Mac here", Remedy: "find one"},
	}
	for name, evidence := range map[string][]evidence.Evidence{
		"no evidence":        in.Evidence,
		"one without device": append([]evidence.Evidence{absent}, in.Evidence...),
		"one that passes":    append([]evidence.Evidence{validatetest.EvidenceFor(t, in, "coreml", "fp32")}, in.Evidence...),
	} {
		in := in
		in.Evidence = evidence
		v := gatetest.Gate(t, in)
		row := validatetest.RowOf(t, v, "coreml", "fp32")
		assert.Equal(t, verdict.Fail, row.Result, name)
		assert.Contains(t, validatetest.Failures(row), "FAIL readiness/predicted", name)
		f := validatetest.Item(t, row, "readiness", "predicted")
		assert.Equal(t, "2 pieces, and 3 nodes elsewhere: Cast ×2, GatherND", f.Measured, name)
		assert.Contains(t, f.Next, "gather (GatherND): its indices are computed; cast_1 (Cast)", name)
		assert.Contains(t, f.Next, "embedgate inspect --for coreml", name)
		assert.Equal(t, verdict.Pass, v.Result, "%s: this channel does not require it", name)
	}

	in.Policy.Channels["local"] = in.Policy.Channels["gpu"]
	predict(&in, check.Prediction{Nodes: 210, Partitions: 1})
	row := validatetest.RowOf(t, gatetest.Gate(t, in), "coreml", "fp32")
	assert.Equal(t, verdict.NotMeasured, row.Result, "a good prediction is no proof")
	assert.Equal(t, verdict.Pass, validatetest.Item(t, row, "readiness", "predicted").Result)
}

func TestWithoutATableNothingIsPredicted(t *testing.T) {
	for _, f := range gatetest.Judged(t, func(*check.Input, *evidence.Evidence) {}).Findings {
		assert.NotEqual(t, "readiness", f.Check)
	}
}
