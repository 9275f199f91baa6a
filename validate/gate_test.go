package validate

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

func TestGoodEvidencePasses(t *testing.T) {
	v := gate(t, smallInput(t))
	assert.Equal(t, Pass, v.Result)
	assert.Empty(t, v.Missing)
	require.Len(t, v.Rows, 6)
	cpu := v.Rows[0]
	assert.Equal(t, "cpu", cpu.Provider, "what the channel requires comes first")
	assert.True(t, cpu.Required)
	assert.Empty(t, failures(cpu))
	assert.Len(t, cpu.Latency, 3)
	require.NotNil(t, cpu.Parity)
	assert.Equal(t, 1.0, cpu.Parity.RankTopK)
	for _, f := range cpu.Findings {
		assert.Empty(t, f.Next, "%s %s passes and needs no next step", f.Check, f.Item)
		assert.NotEmpty(t, f.Measured, f.Item)
		assert.NotEmpty(t, f.Threshold, f.Item)
	}
	for _, r := range v.Rows[1:] {
		assert.Equal(t, NotMeasuredR, r.Result)
		assert.False(t, r.Required)
		assert.Contains(t, r.Findings[0].Next, "embedgate measure --provider "+r.Provider)
	}
}

func TestEveryKnownBadCaseFailsTheWholeGate(t *testing.T) {
	if testing.Short() {
		t.Skip("gates a hundred times: run without -short")
	}
	in := smallInput(t)
	r, err := newReference(in.Golden)
	require.NoError(t, err)
	every := []Evidence{in.Evidence[0], evidenceFor(t, in, "cuda", "fp32"), evidenceFor(t, in, "coreml", "fp32")}
	shown := 0
	for _, k := range checks() {
		if k.name == portabilityName {
			continue // its rows are of other processors: portability_test.go
		}
		for _, bad := range k.bad {
			var c gateCase
			var applies bool
			for _, e := range every {
				c = gateCase{
					policy: in.Policy, golden: r, candidate: in.Candidate, nonce: in.Nonce, class: candidate.FP32,
					plan: e.Plan, evidence: cloned(e), graph: smallGraph(),
				}
				c.graph.Saturation = withinLimit()
				if applies = (k.applies == nil || k.applies(c)) && bad.spoil(&c); applies {
					break
				}
			}
			if !applies {
				assert.Fail(t, "a case that does not apply to fp32", bad.name)
				continue
			}
			shown++
			spoilt, provider := in, "cpu"
			switch e := slices.IndexFunc(every, func(e Evidence) bool { return e.Provider == c.evidence.Provider }); {
			case e == 2:
				spoilt.Channel, provider = "apple", "coreml"
			case e == 1 || c.evidence.Plan.Pairs != nil:
				spoilt.Channel, provider = "gpu", "cuda"
			}
			spoilt.Policy, spoilt.Candidate, spoilt.Evidence = c.policy, c.candidate, []Evidence{c.evidence}
			spoilt.Graphs = map[string]Graph{"fp32": c.graph}
			v := gate(t, spoilt)
			row := v.Rows[0]
			want := bad.want
			if want == "" {
				want = Fail
			}
			assert.Equal(t, want, v.Result, bad.name)
			assert.Equal(t, want, row.Result, bad.name)
			assert.Equal(t, []string{provider}, v.Missing, bad.name)
			named := false
			for _, f := range row.Findings {
				if f.Result == want && f.Check == k.name && strings.HasPrefix(f.Item, bad.item) {
					named = true
					assert.NotEmpty(t, f.Next, "%s: what to do", bad.name)
				}
			}
			assert.True(t, named, "%s: %v", bad.name, failures(row))
		}
	}
	assert.Greater(t, shown, 60)
}

func TestTheSelfTestNoticesEveryBrokenCheck(t *testing.T) {
	in := smallInput(t)
	for i, k := range checks() {
		for name, judge := range map[string]func(gateCase) opinion{
			"passes everything": func(gateCase) opinion {
				return opinion{findings: []Finding{{Check: k.name, Result: Pass}}}
			},
			"refuses everything": func(gateCase) opinion {
				return opinion{findings: []Finding{{Check: k.name, Result: Fail}}}
			},
			"says nothing": func(gateCase) opinion { return opinion{} },
		} {
			broken := checks()
			broken[i].judge = judge
			v, err := gateWith(broken, in)
			require.NoError(t, err)
			assert.False(t, v.SelfTestPassed(), "%s %s", k.name, name)
			assert.Equal(t, Fail, v.Result, "%s %s", k.name, name)
		}
		untested := checks()
		untested[i].bad = nil
		v, err := gateWith(untested, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed(), "%s without a known-bad case", k.name)
	}
	v, err := gateWith(nil, in)
	require.NoError(t, err)
	assert.Equal(t, Fail, v.Result, "a gate without checks")
}

func TestACheckThatWasShownNoBadCaseIsNotTrusted(t *testing.T) {
	in := smallInput(t)
	never := func(*gateCase) bool { return false }
	for i, k := range checks() {
		unshown := checks()
		for _, bad := range k.bad {
			bad.spoil = never
			unshown[i].bad = []badCase{bad}
		}
		v, err := gateWith(unshown, in)
		require.NoError(t, err)
		require.False(t, v.SelfTestPassed(), "%s, none of whose known-bad cases could be made", k.name)
		assert.Equal(t, Fail, v.Result, k.name)
		at := slices.IndexFunc(v.SelfTest, func(f Finding) bool { return f.Result == Fail })
		assert.Equal(t, k.name, v.SelfTest[at].Item)
		assert.Contains(t, v.SelfTest[at].Measured, "none of its known-bad cases could be made")
	}
	t.Run("not even where it passes only one of the classes without", func(t *testing.T) {
		in := smallInput(t)
		in.Evidence = append(in.Evidence, evidenceFor(t, in, "cuda", "fp32"))
		only := checks()
		for i, k := range only {
			for j, bad := range k.bad {
				only[i].bad[j].spoil = func(c *gateCase) bool { return c.evidence.Provider == "cpu" && bad.spoil(c) }
			}
		}
		v, err := gateWith(only, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed())
	})
	t.Run("nor where only a measured row passed it", func(t *testing.T) {
		// Bases that the self-test makes are no cases of such a check.
		measured := func(c gateCase) bool { return c.candidate.Digest != "self-test" }
		odd := check{
			name: "odd", applies: measured, holds: func(Evidence) bool { return true },
			judge: func(gateCase) opinion { return opinion{findings: []Finding{{Check: "odd", Result: Pass}}} },
			bad:   []badCase{{name: "none", spoil: never}},
		}
		v, err := gateWith(append(checks(), odd), in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed())
		odd.applies = func(gateCase) bool { return false }
		v, err = gateWith(append(checks(), odd), in)
		require.NoError(t, err)
		assert.True(t, v.SelfTestPassed(), "a check that nobody asked has nothing to prove")
	})
}

func TestEachFindingOfACheckIsNeededByTheSelfTest(t *testing.T) {
	// A check that forgets one of its findings is broken too.
	in := smallInput(t)
	in.Evidence = append(in.Evidence, evidenceFor(t, in, "cuda", "fp32"))
	full := gate(t, in)
	findings := rowOf(t, full, "cuda", "fp32").Findings
	require.Greater(t, len(findings), 25, "this row has every kind of finding")
	for _, f := range findings {
		if f.Result == Reported || strings.HasPrefix(f.Item, "128 tokens") {
			continue // a second budget goes through the same code
		}
		broken := checks()
		for i, k := range broken {
			if k.name != f.Check {
				continue
			}
			judge := k.judge
			broken[i].judge = func(c gateCase) opinion {
				o := judge(c)
				for j := range o.findings {
					if o.findings[j].Item == f.Item {
						o.findings[j].Result = Pass
					}
				}
				return o
			}
		}
		v, err := gateWith(broken, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed(), "%s, %s always passes", f.Check, f.Item)
	}
}

func TestTheSelfTestWorksWithoutMeasuredEvidence(t *testing.T) {
	in := smallInput(t)
	with := len(gate(t, in).SelfTest)
	in.Evidence = nil
	v := gate(t, in)
	assert.Len(t, v.SelfTest, with)
	assert.Equal(t, Fail, v.Result, "a required provider was not measured")
	assert.Equal(t, []string{"cpu"}, v.Missing)
}

func TestAnImpossibleThresholdIsNoticedAndNamed(t *testing.T) {
	in := smallInput(t)
	l := in.Policy.Parity[candidate.FP32]
	l.MaxAbs = ptr(1e-12)
	in.Policy.Parity[candidate.FP32] = l
	v, err := Gate(in)
	require.NoError(t, err)
	assert.False(t, v.SelfTestPassed())
	assert.Contains(t, v.SelfTest[0].Measured, "max abs error")
	assert.Contains(t, v.SelfTest[0].Next, "more than float32 can hold")
}

func TestTheSameInputGivesTheSameBytesAndIsLeftAlone(t *testing.T) {
	in := smallInput(t)
	in.Evidence = append(in.Evidence, evidenceFor(t, in, "coreml", "int8"), evidenceFor(t, in, "coreml", "fp32"))
	in.Evidence[1].Latency[0].SamplesNS[0] = int64(time.Second)
	before, err := json.Marshal(in)
	require.NoError(t, err)
	raw := cloned(in.Evidence[0]).Raw
	one, err := EncodeVerdict(gate(t, in))
	require.NoError(t, err)
	after, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, string(before), string(after))
	assert.Equal(t, raw, in.Evidence[0].Raw)
	slices.Reverse(in.Evidence)
	two, err := EncodeVerdict(gate(t, in))
	require.NoError(t, err)
	assert.Equal(t, string(one), string(two), "the order of the evidence does not matter")
}

func TestWhatAChannelRequiresDecides(t *testing.T) {
	in := smallInput(t)
	broken := evidenceFor(t, in, "coreml", "fp32")
	broken.Raw.Primary[0] = float32(math.NaN())
	unsure := evidenceFor(t, in, "cuda", "fp32")
	unsure.Latency[0].CalibrationNS = nil
	absent := Evidence{
		Schema: EvidenceSchema, Provider: "cuda", Variant: "fp32", Candidate: in.Candidate.Digest, Policy: in.Policy.Digest,
		Golden: in.Golden.Digest, Nonce: in.Nonce, NotMeasured: &NotMeasured{Reason: "no GPU here", Remedy: "run it on a GPU machine"},
	}
	cpu, cuda := in.Evidence[0], evidenceFor(t, in, "cuda", "fp32")
	for i := range unsure.Latency {
		unsure.Latency[i].CalibrationNS = nil
	}
	for _, c := range []struct {
		name, channel string
		evidence      []Evidence
		want          Result
		missing       []string
	}{
		{"a failing provider that is not required changes nothing", "local", []Evidence{cpu, broken}, Pass, nil},
		{"a required one that passes", "release", []Evidence{cpu, cuda}, Pass, nil},
		{"a required one without evidence", "release", []Evidence{cpu}, Fail, []string{"cuda"}},
		{"a required one that could not be measured", "release", []Evidence{cpu, absent}, Fail, []string{"cuda"}},
		{"a required one that cannot be decided", "release", []Evidence{cpu, unsure}, Inconclusive, []string{"cuda"}},
		{"one that cannot be decided and one that is missing", "release", []Evidence{unsure}, Fail, []string{"cuda", "cpu"}},
		{"two measurements of one provider", "local", []Evidence{cpu, cpu}, Fail, []string{"cpu"}},
		{"nothing at all", "local", nil, Fail, []string{"cpu"}},
	} {
		in.Channel, in.Evidence = c.channel, c.evidence
		v := gate(t, in)
		assert.Equal(t, c.want, v.Result, c.name)
		assert.Equal(t, c.missing, v.Missing, c.name)
	}
	in.Channel, in.Evidence = "release", []Evidence{cpu, absent}
	row := rowOf(t, gate(t, in), "cuda", "fp32")
	assert.Equal(t, NotMeasuredR, row.Result)
	assert.Equal(t, []string{"NOT MEASURED integrity/evidence"}, failures(row))
	assert.Equal(t, "no GPU here", row.Findings[0].Measured)
	assert.Equal(t, "run it on a GPU machine", row.Findings[0].Next)
	absent.Candidate = "another"
	in.Evidence = []Evidence{cpu, absent}
	assert.Equal(t, []string{"FAIL integrity/binding", "NOT MEASURED integrity/evidence"}, failures(rowOf(t, gate(t, in), "cuda", "fp32")))
}

func TestEvidenceOfAProviderOutsideThePolicyFailsItsRowAlone(t *testing.T) {
	in := smallInput(t)
	e := evidenceFor(t, in, "cpu", "fp32")
	e.Provider, e.Session.Provider = "openvino", "openvino"
	e.Plan = in.plan(keyOf(e)) // else its numbers are not looked at
	in.Evidence = append(in.Evidence, e)
	v := gate(t, in)
	assert.Equal(t, Pass, v.Result)
	outside := failures(rowOf(t, v, "openvino", "fp32"))
	assert.Equal(t, "FAIL integrity/variant", outside[0])
	assert.Contains(t, outside, "FAIL placement/threshold", "the policy has none for it")
	in.Evidence[1].Variant = "fp16"
	in.Candidate.Manifest.Variants["fp16"] = in.Candidate.Manifest.Variants["fp32"]
	assert.Contains(t, failures(rowOf(t, gate(t, in), "openvino", "fp16")), "FAIL parity/threshold")
}

func TestACrashIsAFailThatNamesTheSignal(t *testing.T) {
	in := smallInput(t)
	e := &in.Evidence[0]
	e.Crash = &Crash{Stage: "latency", Signal: "SIGSEGV", Exit: -1, Stderr: "boom"}
	e.Latency, e.Cold, e.Memory = nil, nil, nil
	row := gate(t, in).Rows[0]
	assert.Equal(t, []string{"FAIL integrity/child process"}, failures(row), "what it had finished is judged, what it had not is not")
	assert.NotNil(t, row.Parity)
	f := item(t, row, "integrity", "child process")
	assert.Equal(t, "killed by SIGSEGV during latency", f.Measured)
	assert.Equal(t, []string{"its last words: boom"}, f.Warnings)

	e.Crash, e.Raw, e.VectorsSHA256, e.Session.Provider = &Crash{Stage: "load", Exit: 3}, Vectors{}, "", ""
	row = gate(t, in).Rows[0]
	assert.Equal(t, []string{"FAIL integrity/child process"}, failures(row))
	assert.Equal(t, "exited with code 3 during load", item(t, row, "integrity", "child process").Measured)
}

func TestAForeignModelIsJudgedWithoutItsSourceAndSaysSo(t *testing.T) {
	in := smallInput(t)
	in.Candidate.Manifest.Source = candidate.Source{}
	v := gate(t, in)
	assert.Equal(t, Fail, v.Result)
	in.Foreign = true
	v = gate(t, in)
	assert.Equal(t, Pass, v.Result)
	assert.True(t, v.Foreign)
}

func TestAnyNonceIsGoodWhenNoneWasAskedFor(t *testing.T) {
	in := smallInput(t)
	in.Nonce = ""
	assert.Equal(t, Pass, gate(t, in).Result)
}

func TestInputThatNoVerdictCanBeGivenOnIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Input)
		want  string
	}{
		"an unknown channel":            {func(in *Input) { in.Channel = "nightly" }, `got "nightly"`},
		"a channel without requirement": {func(in *Input) { in.Policy.Channels["local"] = policy.Channel{} }, "no required provider"},
		"a required provider without variants": {func(in *Input) {
			in.Policy.Providers["cpu"] = policy.Provider{}
		}, "provider cpu"},
		"a policy without digest":    {func(in *Input) { in.Policy.Digest = "" }, "policy: got no digest"},
		"a candidate without digest": {func(in *Input) { in.Candidate.Digest = "" }, "candidate: got no digest"},
		"a golden without digest":    {func(in *Input) { in.Golden.Digest = "" }, "golden: got no digest"},
		"a golden without texts": {func(in *Input) {
			in.Golden.Texts = nil
			in.Policy.Parity[candidate.FP32] = policy.Parity{MinCosine: ptr(0.9)}
		}, "golden"},
		"a golden with a NaN":          {func(in *Input) { in.Golden.Pooled[3] = math.NaN() }, "NaN in the vector of text"},
		"a ragged golden":              {func(in *Input) { in.Golden.Pooled = in.Golden.Pooled[1:] }, "one row for each text"},
		"a golden without weights":     {func(in *Input) { delete(in.Golden.Source, "model.safetensors") }, "weights"},
		"no threshold for a class":     {func(in *Input) { delete(in.Policy.Parity, candidate.INT8) }, `precision "int8"`},
		"too few samples to ever pass": {func(in *Input) { in.Policy.Latency.Samples = 87 }, "raise latency.samples"},
		"samples that do not divide":   {func(in *Input) { in.Policy.Latency.Samples = 301 }, "equal share"},
		"a variant that no latency gates": {func(in *Input) {
			for i := range in.Policy.Latency.Budgets {
				in.Policy.Latency.Budgets[i].Channels = []string{"release"}
			}
		}, "channel local, cpu × fp32"},
		"a file too short for what gates": {func(in *Input) {
			in.Policy.Latency.Budgets[0].Channels = []string{"release"}
			in.Candidate.Manifest.Variants = map[string]candidate.Variant{"fp32": {Precision: candidate.FP32, Inputs: []candidate.Tensor{{Shape: []string{"1", "16"}}}}}
		}, "channel local, cpu × fp32"},
		"a budget without confidence": {func(in *Input) { in.Policy.Latency.Budgets[0].Confidence = 0 }, "confidence"},
		"no memory budget":            {func(in *Input) { in.Policy.Memory.Budget = 0 }, "memory"},
	} {
		in := smallInput(t)
		c.spoil(&in)
		_, err := Gate(in)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}
