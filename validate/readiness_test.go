package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPredictedSplitFailsWhateverWasMeasured(t *testing.T) {
	split := Prediction{Nodes: 210, Partitions: 2, Elsewhere: []Refusal{
		{"gather", "GatherND", "its indices are computed"}, {"cast_1", "Cast", "it is fed by an input"}, {"cast_2", "Cast", "it is fed by an input"},
	}}
	predict := func(in *Input, p Prediction) {
		g := smallGraph()
		g.Predicted = map[string]Prediction{"coreml": p}
		in.Graphs["fp32"] = g
	}
	in := smallInput(t)
	predict(&in, split)
	absent := Evidence{
		Schema: EvidenceSchema, Provider: "coreml", Variant: "fp32", Candidate: in.Candidate.Digest, Policy: in.Policy.Digest,
		Golden: in.Golden.Digest, Nonce: in.Nonce, NotMeasured: &NotMeasured{Reason: "no Mac here", Remedy: "find one"},
	}
	for name, evidence := range map[string][]Evidence{
		"no evidence":        in.Evidence,
		"one without device": append([]Evidence{absent}, in.Evidence...),
		"one that passes":    append([]Evidence{evidenceFor(t, in, "coreml", "fp32")}, in.Evidence...),
	} {
		in := in
		in.Evidence = evidence
		v := gate(t, in)
		row := rowOf(t, v, "coreml", "fp32")
		assert.Equal(t, Fail, row.Result, name)
		assert.Contains(t, failures(row), "FAIL readiness/predicted", name)
		f := item(t, row, "readiness", "predicted")
		assert.Equal(t, "2 pieces, and 3 nodes elsewhere: Cast ×2, GatherND", f.Measured, name)
		assert.Contains(t, f.Next, "gather (GatherND): its indices are computed; cast_1 (Cast)", name)
		assert.Contains(t, f.Next, "embedgate inspect --for coreml", name)
		assert.Equal(t, Pass, v.Result, "%s: this channel does not require it", name)
	}

	in.Policy.Channels["local"] = in.Policy.Channels["gpu"]
	predict(&in, Prediction{Nodes: 210, Partitions: 1})
	row := rowOf(t, gate(t, in), "coreml", "fp32")
	assert.Equal(t, NotMeasuredR, row.Result, "what is predicted whole is no proof")
	assert.Equal(t, Pass, item(t, row, "readiness", "predicted").Result)
}

func TestWithoutATableNothingIsPredicted(t *testing.T) {
	for _, f := range judged(t, func(*Input, *Evidence) {}).Findings {
		assert.NotEqual(t, "readiness", f.Check)
	}
}
