package gate_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile/saturation"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/check/numbers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// checked returns the result of a case after spoil, and the names of the checks
// that were run.
func checked(t *testing.T, spoil func(*check.Case)) (check.Result, []string) {
	in := validatetest.SmallInput(t)
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	c := good.Case(in.Policy, in.Channel, r, "cuda", "fp32")
	c.Evidence = validatetest.Cloned(c.Evidence)
	spoil(&c)
	var names []string
	all := gate.Checks()
	for i, k := range all {
		all[i].Judge = func(c check.Case) check.Result {
			names = append(names, k.Name)
			return k.Judge(c)
		}
	}
	return gate.RunChecks(all, c), names
}

// Whoever invented numbers also chose how many there are, and what they cost.
func TestNumbersThatIntegrityRefusesAreNotUsed(t *testing.T) {
	for name, c := range map[string]struct {
		item  string
		spoil func(*check.Case)
	}{
		"too many samples":   {"plan", func(c *check.Case) { c.Evidence.Latency[0].SamplesNS = validatetest.Rising(1000) }},
		"impossible samples": {"numbers", func(c *check.Case) { c.Evidence.Latency[0].SamplesNS[0] = -1 }},
		"of another policy":  {"binding", func(c *check.Case) { c.Evidence.Policy = good.OtherDigest }},
		"vectors of another": {"binding", func(c *check.Case) { c.Evidence.Raw.SHA256 = good.OtherDigest }},
		"cut short and other": {"binding", func(c *check.Case) {
			c.Evidence.Raw.SHA256, c.Evidence.Crash = good.OtherDigest, &evidence.Crash{Exit: 1}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o, names := checked(t, c.spoil)
			assert.Equal(t, verdict.Fail, verdict.Worst(o.Findings))
			for _, skipped := range []string{"placement", "parity", "precision", "invariance", "latency", "worth-it"} {
				assert.NotContains(t, names, skipped)
			}
			assert.Contains(t, names, "tokens")
			assert.Contains(t, names, "readiness")
			f := validatetest.Item(t, verdict.Row{Findings: o.Findings}, "integrity", c.item)
			require.Len(t, f.Warnings, 1)
			assert.Contains(t, f.Warnings[0], "not judged, since these numbers prove nothing: ")
			assert.Contains(t, f.Warnings[0], "parity, precision, invariance")
		})
	}
	o, _ := checked(t, func(c *check.Case) { c.Evidence.Policy, c.Evidence.Latency = good.OtherDigest, nil })
	assert.Empty(t, validatetest.Item(t, verdict.Row{Findings: o.Findings}, "integrity", "plan").Warnings, "it is said once")
}

// The numbers of a wrong candidate are real, and show what is wrong.
func TestAfterAnotherFailureOfIntegrityEveryCheckRuns(t *testing.T) {
	for name, spoil := range map[string]func(*check.Case){
		"embedding": func(c *check.Case) {
			c.Candidate.Manifest.Embedding.Normalize = !c.Candidate.Manifest.Embedding.Normalize
		},
		"files": func(c *check.Case) {
			c.Candidate.Manifest.Files = maps.Clone(c.Candidate.Manifest.Files)
			c.Candidate.Manifest.Files["modeling.py"] = candidate.File{SHA256: good.OtherDigest}
		},
		"source": func(c *check.Case) { c.Candidate.Manifest.Source.Files = nil },
	} {
		o, names := checked(t, spoil)
		assert.Equal(t, verdict.Fail, validatetest.Item(t, verdict.Row{Findings: o.Findings}, "integrity", name).Result)
		assert.Subset(t, names, []string{"placement", "parity", "precision", "invariance", "latency", "worth-it"}, name)
	}
}

// For somebody else's export, saturation depends on parity.
func TestSaturationDoesNotUseRefusedVectorsEither(t *testing.T) {
	spoil := func(refused bool) func(*check.Case) {
		return func(c *check.Case) {
			c.Foreign, c.Graph.Saturation = true, saturation.Result{Products: 1, Columns: 8, Over: 1, Largest: saturation.PairLimit + 1}
			c.Evidence.Machine.Arch, c.Evidence.Machine.InstructionSets = "amd64", []string{evidence.SSE41, evidence.AVX2}
			for i := range c.Evidence.Raw.Primary {
				c.Evidence.Raw.Primary[i] *= -1
			}
			if refused {
				c.Evidence.Policy = good.OtherDigest
			}
		}
	}
	for refused, want := range map[bool]verdict.Result{false: verdict.Fail, true: verdict.Reported} {
		o, _ := checked(t, spoil(refused))
		assert.Equal(t, want, validatetest.Item(t, verdict.Row{Findings: o.Findings}, numbers.SaturationName, "8-bit products").Result, "refused: %v", refused)
	}
}
