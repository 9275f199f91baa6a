package gate_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestGoodEvidencePasses(t *testing.T) {
	v := gatetest.Gate(t, validatetest.SmallInput(t))
	assert.Equal(t, verdict.Pass, v.Result)
	assert.Empty(t, v.Missing)
	require.Len(t, v.Rows, 6)
	cpu := v.Rows[0]
	assert.Equal(t, "cpu", cpu.Provider, "what the channel requires comes first")
	assert.True(t, cpu.Required)
	assert.Empty(t, validatetest.Failures(cpu))
	assert.Len(t, cpu.Latency, 3)
	require.NotNil(t, cpu.Parity)
	assert.Equal(t, 1.0, cpu.Parity.RankTopK)
	for _, f := range cpu.Findings {
		assert.Empty(t, f.Next, "%s %s passes and needs no next step", f.Check, f.Item)
		assert.NotEmpty(t, f.Measured, f.Item)
		assert.NotEmpty(t, f.Threshold, f.Item)
	}
	for _, r := range v.Rows[1:] {
		assert.Equal(t, verdict.NotMeasured, r.Result)
		assert.False(t, r.Required)
		assert.Contains(t, r.Findings[0].Next, "embedgate measure --provider "+r.Provider)
	}
}

func TestTheSameInputGivesTheSameBytesAndIsLeftAlone(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Evidence = append(in.Evidence, validatetest.EvidenceFor(t, in, "coreml", "int8"), validatetest.EvidenceFor(t, in, "coreml", "fp32"))
	in.Evidence[1].Latency[0].SamplesNS[0] = int64(time.Second)
	before, err := json.Marshal(in)
	require.NoError(t, err)
	raw := validatetest.Cloned(in.Evidence[0]).Raw
	one, err := verdict.Encode(gatetest.Gate(t, in))
	require.NoError(t, err)
	after, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, string(before), string(after))
	assert.Equal(t, raw, in.Evidence[0].Raw)
	slices.Reverse(in.Evidence)
	two, err := verdict.Encode(gatetest.Gate(t, in))
	require.NoError(t, err)
	assert.Equal(t, string(one), string(two), "the order of the evidence does not matter")
}

func TestWhatAChannelRequiresDecides(t *testing.T) {
	in := validatetest.SmallInput(t)
	broken := validatetest.EvidenceFor(t, in, "coreml", "fp32")
	broken.Raw.Primary[0] = float32(math.NaN())
	unsure := validatetest.EvidenceFor(t, in, "cuda", "fp32")
	unsure.Latency[0].CalibrationNS = nil
	absent := evidence.Evidence{
		Schema: evidence.Schema, Provider: "cuda", Variant: "fp32", Candidate: in.Candidate.Digest, Policy: in.Policy.Digest,
		Golden: in.Golden.Digest, Nonce: in.Nonce, NotMeasured: &evidence.NotMeasured{Reason: "no GPU here", Remedy: "run it on a GPU machine"},
	}
	cpu, cuda := in.Evidence[0], validatetest.EvidenceFor(t, in, "cuda", "fp32")
	for i := range unsure.Latency {
		unsure.Latency[i].CalibrationNS = nil
	}
	for _, c := range []struct {
		name, channel string
		evidence      []evidence.Evidence
		want          verdict.Result
		missing       []string
	}{
		{"a failing provider that is not required changes nothing", "local", []evidence.Evidence{cpu, broken}, verdict.Pass, nil},
		{"a required one that passes", "release", []evidence.Evidence{cpu, cuda}, verdict.Pass, nil},
		{"a required one without evidence", "release", []evidence.Evidence{cpu}, verdict.Fail, []string{"cuda"}},
		{"a required one that could not be measured", "release", []evidence.Evidence{cpu, absent}, verdict.Fail, []string{"cuda"}},
		{"a required one that cannot be decided", "release", []evidence.Evidence{cpu, unsure}, verdict.Inconclusive, []string{"cuda"}},
		{"one that cannot be decided and one that is missing", "release", []evidence.Evidence{unsure}, verdict.Fail, []string{"cuda", "cpu"}},
		{"two measurements of one provider", "local", []evidence.Evidence{cpu, cpu}, verdict.Fail, []string{"cpu"}},
		{"nothing at all", "local", nil, verdict.Fail, []string{"cpu"}},
	} {
		in.Channel, in.Evidence = c.channel, c.evidence
		v := gatetest.Gate(t, in)
		assert.Equal(t, c.want, v.Result, c.name)
		assert.Equal(t, c.missing, v.Missing, c.name)
	}
	in.Channel, in.Evidence = "release", []evidence.Evidence{cpu, absent}
	row := validatetest.RowOf(t, gatetest.Gate(t, in), "cuda", "fp32")
	assert.Equal(t, verdict.NotMeasured, row.Result)
	assert.Equal(t, []string{"NOT MEASURED integrity/evidence"}, validatetest.Failures(row))
	assert.Equal(t, "no GPU here", row.Findings[0].Measured)
	assert.Equal(t, "run it on a GPU machine", row.Findings[0].Next)
	absent.Candidate = "another"
	in.Evidence = []evidence.Evidence{cpu, absent}
	assert.Equal(t, []string{"FAIL integrity/binding", "NOT MEASURED integrity/evidence"}, validatetest.Failures(validatetest.RowOf(t, gatetest.Gate(t, in), "cuda", "fp32")))
}

func TestEvidenceOfAProviderOutsideThePolicyFailsOnlyItsRow(t *testing.T) {
	in := validatetest.SmallInput(t)
	e := validatetest.EvidenceFor(t, in, "cpu", "fp32")
	e.Provider, e.Session.Provider = "openvino", "openvino"
	e.Plan = gate.PlanOfRow(in, e.Provider, e.Variant, e.CPU) // else its numbers are not looked at
	in.Evidence = append(in.Evidence, e)
	v := gatetest.Gate(t, in)
	assert.Equal(t, verdict.Pass, v.Result)
	outside := validatetest.Failures(validatetest.RowOf(t, v, "openvino", "fp32"))
	assert.Equal(t, "FAIL integrity/variant", outside[0])
	assert.Contains(t, outside, "FAIL placement/threshold", "the policy has none for it")
	in.Evidence[1].Variant = "fp16"
	in.Candidate.Manifest.Variants["fp16"] = in.Candidate.Manifest.Variants["fp32"]
	assert.Contains(t, validatetest.Failures(validatetest.RowOf(t, gatetest.Gate(t, in), "openvino", "fp16")), "FAIL parity/threshold")
}

func TestACrashIsAFailThatNamesTheSignal(t *testing.T) {
	in := validatetest.SmallInput(t)
	e := &in.Evidence[0]
	e.Crash = &evidence.Crash{Stage: "latency", Signal: "SIGSEGV", Exit: -1, Stderr: "boom"}
	e.Latency, e.Cold, e.Memory = nil, nil, nil
	row := gatetest.Gate(t, in).Rows[0]
	assert.Equal(t, []string{"FAIL integrity/child process"}, validatetest.Failures(row), "what it had finished is judged, what it had not is not")
	assert.NotNil(t, row.Parity)
	f := validatetest.Item(t, row, "integrity", "child process")
	assert.Equal(t, "killed by SIGSEGV during latency", f.Measured)
	assert.Equal(t, []string{"the end of its stderr: boom"}, f.Warnings)

	e.Crash, e.Raw, e.VectorsSHA256, e.Session.Provider = &evidence.Crash{Stage: "load", Exit: 3}, evidence.Vectors{}, "", ""
	row = gatetest.Gate(t, in).Rows[0]
	assert.Equal(t, []string{"FAIL integrity/child process"}, validatetest.Failures(row))
	assert.Equal(t, "exited with code 3 during load", validatetest.Item(t, row, "integrity", "child process").Measured)
}

func TestAForeignModelIsJudgedWithoutItsSourceAndSaysSo(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Candidate.Manifest.Source = candidate.Source{}
	v := gatetest.Gate(t, in)
	assert.Equal(t, verdict.Fail, v.Result)
	in.Foreign = true
	v = gatetest.Gate(t, in)
	assert.Equal(t, verdict.Pass, v.Result)
	assert.True(t, v.Foreign)
}

func TestAnyNonceIsGoodWhenNoneWasAskedFor(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Nonce = ""
	assert.Equal(t, verdict.Pass, gatetest.Gate(t, in).Result)
}

func TestInputThatNoVerdictCanBeGivenOnIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*check.Input)
		want  string
	}{
		"an unknown channel":            {func(in *check.Input) { in.Channel = "nightly" }, `got "nightly"`},
		"a channel without requirement": {func(in *check.Input) { in.Policy.Channels["local"] = policy.Channel{} }, "no required provider"},
		"a required provider without variants": {func(in *check.Input) {
			in.Policy.Providers["cpu"] = policy.Provider{}
		}, "provider cpu"},
		"a policy without digest":    {func(in *check.Input) { in.Policy.Digest = "" }, "policy: got no digest"},
		"a candidate without digest": {func(in *check.Input) { in.Candidate.Digest = "" }, "candidate: got no digest"},
		"a golden without digest":    {func(in *check.Input) { in.Golden.Digest = "" }, "golden: got no digest"},
		"a golden without texts": {func(in *check.Input) {
			in.Golden.Texts = nil
			in.Policy.Parity[candidate.FP32] = policy.Parity{MinCosine: validatetest.Ptr(0.9)}
		}, "golden"},
		"a golden with a NaN":          {func(in *check.Input) { in.Golden.Pooled[3] = math.NaN() }, "NaN in the vector of text"},
		"a ragged golden":              {func(in *check.Input) { in.Golden.Pooled = in.Golden.Pooled[1:] }, "one row for each text"},
		"a golden without weights":     {func(in *check.Input) { delete(in.Golden.Source, "model.safetensors") }, "weights"},
		"no threshold for a class":     {func(in *check.Input) { delete(in.Policy.Parity, candidate.INT8) }, `precision "int8"`},
		"too few samples to ever pass": {func(in *check.Input) { in.Policy.Latency.Samples = 87 }, "raise latency.samples"},
		"samples that do not divide":   {func(in *check.Input) { in.Policy.Latency.Samples = 301 }, "equal share"},
		"a variant that no latency gates": {func(in *check.Input) {
			for i := range in.Policy.Latency.Budgets {
				in.Policy.Latency.Budgets[i].Channels = []string{"release"}
			}
		}, "channel local, cpu × fp32"},
		"a file too short for what gates": {func(in *check.Input) {
			in.Policy.Latency.Budgets[0].Channels = []string{"release"}
			in.Candidate.Manifest.Variants = map[string]candidate.Variant{"fp32": {Precision: candidate.FP32, Inputs: []candidate.Tensor{{Shape: []string{"1", "16"}}}}}
		}, "channel local, cpu × fp32"},
		"a budget without confidence": {func(in *check.Input) { in.Policy.Latency.Budgets[0].Confidence = 0 }, "confidence"},
		"no memory budget":            {func(in *check.Input) { in.Policy.Memory.Budget = 0 }, "memory"},
	} {
		in := validatetest.SmallInput(t)
		c.spoil(&in)
		_, err := gate.Gate(in)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}
