package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/check/numbers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Known-bad cases share what is not copied for them. One that changed it would
// also change the cases after it.
func TestABadCaseLeavesItsBaseAlone(t *testing.T) {
	in := validatetest.SmallInput(t)
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	raw := map[string]bool{}
	for _, base := range slices.Concat(gate.GoodCases(in, r), gate.PortableCases(in, r)) {
		whole := validatetest.Cloned(base.Evidence)
		for _, k := range gate.Checks() {
			for _, bad := range k.KnownBad {
				if !k.Concerns(base) {
					continue
				}
				c := base
				c.Evidence = gate.CloneFor(k, base.Evidence)
				if bad.Spoil(&c) && !assert.ObjectsAreEqual(whole.Raw, c.Evidence.Raw) {
					raw[k.Name] = true
				}
				require.True(t, assert.ObjectsAreEqual(whole, base.Evidence), "%s: %s", k.Name, bad.Name) // a difference would be pages
			}
		}
	}
	for _, k := range gate.Checks() {
		if k.ChangesVectors {
			assert.True(t, raw[k.Name], "%s copies vectors that no case of it changes", k.Name)
		}
	}
}

func TestEveryKnownBadCaseFailsTheWholeGate(t *testing.T) {
	if testing.Short() {
		t.Skip("gates a hundred times: run without -short")
	}
	in := validatetest.SmallInput(t)
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	every := []evidence.Evidence{in.Evidence[0], validatetest.EvidenceFor(t, in, "cuda", "fp32"), validatetest.EvidenceFor(t, in, "coreml", "fp32")}
	shown := 0
	for _, k := range gate.Checks() {
		if k.Name == numbers.PortabilityName {
			continue // its rows are of other processors: portability_test.go
		}
		for _, bad := range k.KnownBad {
			var c check.Case
			var applies bool
			for _, e := range every {
				c = check.Case{
					Policy: in.Policy, Golden: r, Candidate: in.Candidate, Nonce: in.Nonce, Class: candidate.FP32,
					Plan: e.Plan, Evidence: validatetest.Cloned(e), Graph: validatetest.SmallGraph(),
				}
				c.Graph.Saturation = good.SafeSaturation()
				if applies = (k.Applies == nil || k.Applies(c)) && bad.Spoil(&c); applies {
					break
				}
			}
			if !applies {
				assert.Fail(t, "a case that does not apply to fp32", bad.Name)
				continue
			}
			shown++
			spoilt, provider := in, "cpu"
			switch e := slices.IndexFunc(every, func(e evidence.Evidence) bool { return e.Provider == c.Evidence.Provider }); {
			case e == 2:
				spoilt.Channel, provider = "apple", "coreml"
			case e == 1 || c.Evidence.Plan.Pairs != nil:
				spoilt.Channel, provider = "gpu", "cuda"
			}
			spoilt.Policy, spoilt.Candidate, spoilt.Evidence = c.Policy, c.Candidate, []evidence.Evidence{c.Evidence}
			spoilt.Graphs = map[string]check.Graph{"fp32": c.Graph}
			v := gatetest.Gate(t, spoilt)
			row := v.Rows[0]
			want := bad.Want
			if want == "" {
				want = verdict.Fail
			}
			assert.Equal(t, want, v.Result, bad.Name)
			assert.Equal(t, want, row.Result, bad.Name)
			assert.Equal(t, []string{provider}, v.Missing, bad.Name)
			named := false
			for _, f := range row.Findings {
				if f.Result == want && f.Check == k.Name && strings.HasPrefix(f.Item, bad.Item) {
					named = true
					assert.NotEmpty(t, f.Next, "%s: what to do", bad.Name)
				}
			}
			assert.True(t, named, "%s: %v", bad.Name, validatetest.Failures(row))
		}
	}
	assert.Greater(t, shown, 60)
}

func TestTheSelfTestNoticesEveryBrokenCheck(t *testing.T) {
	in := validatetest.SmallInput(t)
	for i, k := range gate.Checks() {
		for name, judge := range map[string]func(check.Case) check.Result{
			"passes everything": func(check.Case) check.Result {
				return check.Result{Findings: []verdict.Finding{{Check: k.Name, Result: verdict.Pass}}}
			},
			"refuses everything": func(check.Case) check.Result {
				return check.Result{Findings: []verdict.Finding{{Check: k.Name, Result: verdict.Fail}}}
			},
			"says nothing": func(check.Case) check.Result { return check.Result{} },
		} {
			broken := gate.Checks()
			broken[i].Judge = judge
			v, err := gate.GateWith(broken, in)
			require.NoError(t, err)
			assert.False(t, v.SelfTestPassed(), "%s %s", k.Name, name)
			assert.Equal(t, verdict.Fail, v.Result, "%s %s", k.Name, name)
		}
		untested := gate.Checks()
		untested[i].KnownBad = nil
		v, err := gate.GateWith(untested, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed(), "%s without a known-bad case", k.Name)
	}
	v, err := gate.GateWith(nil, in)
	require.NoError(t, err)
	assert.Equal(t, verdict.Fail, v.Result, "a gate without checks")
}

func TestACheckWithoutAKnownBadCaseIsNotTrusted(t *testing.T) {
	in := validatetest.SmallInput(t)
	never := func(*check.Case) bool { return false }
	for i, k := range gate.Checks() {
		unshown := gate.Checks()
		for _, bad := range k.KnownBad {
			bad.Spoil = never
			unshown[i].KnownBad = []check.BadCase{bad}
		}
		v, err := gate.GateWith(unshown, in)
		require.NoError(t, err)
		require.False(t, v.SelfTestPassed(), "%s, none of whose known-bad cases could be made", k.Name)
		assert.Equal(t, verdict.Fail, v.Result, k.Name)
		at := slices.IndexFunc(v.SelfTest, func(f verdict.Finding) bool { return f.Result == verdict.Fail })
		assert.Equal(t, k.Name, v.SelfTest[at].Item)
		assert.Contains(t, v.SelfTest[at].Measured, "none of its known-bad cases could be made")
	}
	t.Run("nor one with none for one of the classes", func(t *testing.T) {
		in := validatetest.SmallInput(t)
		in.Evidence = append(in.Evidence, validatetest.EvidenceFor(t, in, "cuda", "fp32"))
		only := gate.Checks()
		for i, k := range only {
			for j, bad := range k.KnownBad {
				only[i].KnownBad[j].Spoil = func(c *check.Case) bool { return c.Evidence.Provider == "cpu" && bad.Spoil(c) }
			}
		}
		v, err := gate.GateWith(only, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed())
	})
	t.Run("nor one that only a measured row passed", func(t *testing.T) {
		// The check does not apply to the bases that the self-test makes.
		measured := func(c check.Case) bool { return c.Candidate.Digest != "self-test" }
		odd := check.Check{
			Name: "odd", Applies: measured, HasData: func(evidence.Evidence) bool { return true },
			Judge: func(check.Case) check.Result {
				return check.Result{Findings: []verdict.Finding{{Check: "odd", Result: verdict.Pass}}}
			},
			KnownBad: []check.BadCase{{Name: "none", Spoil: never}},
		}
		v, err := gate.GateWith(append(gate.Checks(), odd), in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed())
		odd.Applies = func(check.Case) bool { return false }
		v, err = gate.GateWith(append(gate.Checks(), odd), in)
		require.NoError(t, err)
		assert.True(t, v.SelfTestPassed(), "a check that did not run has nothing to prove")
	})
}

func TestEachFindingOfACheckIsNeededByTheSelfTest(t *testing.T) {
	// A check with one finding that always passes is broken too.
	in := validatetest.SmallInput(t)
	in.Evidence = append(in.Evidence, validatetest.EvidenceFor(t, in, "cuda", "fp32"))
	full := gatetest.Gate(t, in)
	findings := validatetest.RowOf(t, full, "cuda", "fp32").Findings
	require.Greater(t, len(findings), 25, "this row has every kind of finding")
	for _, f := range findings {
		if f.Result == verdict.Reported || strings.HasPrefix(f.Item, "128 tokens") {
			continue // a second budget goes through the same code
		}
		broken := gate.Checks()
		for i, k := range broken {
			if k.Name != f.Check {
				continue
			}
			judge := k.Judge
			broken[i].Judge = func(c check.Case) check.Result {
				o := judge(c)
				for j := range o.Findings {
					if o.Findings[j].Item == f.Item {
						o.Findings[j].Result = verdict.Pass
					}
				}
				return o
			}
		}
		v, err := gate.GateWith(broken, in)
		require.NoError(t, err)
		assert.False(t, v.SelfTestPassed(), "%s, %s always passes", f.Check, f.Item)
	}
}

func TestTheSelfTestWorksWithoutMeasuredEvidence(t *testing.T) {
	in := validatetest.SmallInput(t)
	with := len(gatetest.Gate(t, in).SelfTest)
	in.Evidence = nil
	v := gatetest.Gate(t, in)
	assert.Len(t, v.SelfTest, with)
	assert.Equal(t, verdict.Fail, v.Result, "a required provider was not measured")
	assert.Equal(t, []string{"cpu"}, v.Missing)
}

func TestAnImpossibleThresholdIsNoticedAndNamed(t *testing.T) {
	in := validatetest.SmallInput(t)
	l := in.Policy.Parity[candidate.FP32]
	l.MaxAbs = validatetest.Ptr(1e-12)
	in.Policy.Parity[candidate.FP32] = l
	v, err := gate.Gate(in)
	require.NoError(t, err)
	assert.False(t, v.SelfTestPassed())
	assert.Contains(t, v.SelfTest[0].Measured, "max abs error")
	assert.Contains(t, v.SelfTest[0].Next, "more than float32 can hold")
}
