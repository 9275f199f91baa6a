package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// asked is the case after spoil, and which of the checks were asked of it.
func asked(t *testing.T, spoil func(*gateCase)) (opinion, []string) {
	in := smallInput(t)
	r, err := newReference(in.Golden)
	require.NoError(t, err)
	c := knownGood(in, r, "cuda", "fp32")
	c.evidence = cloned(c.evidence)
	spoil(&c)
	var names []string
	all := checks()
	for i, k := range all {
		all[i].judge = func(c gateCase) opinion {
			names = append(names, k.name)
			return k.judge(c)
		}
	}
	return opine(all, c), names
}

// Who made numbers up also chose how many there are, and what they cost.
func TestNumbersThatIntegrityRefusesAreNotStudied(t *testing.T) {
	for name, c := range map[string]struct {
		item  string
		spoil func(*gateCase)
	}{
		"too many samples":    {"plan", func(c *gateCase) { c.evidence.Latency[0].SamplesNS = rising(1000) }},
		"impossible samples":  {"numbers", func(c *gateCase) { c.evidence.Latency[0].SamplesNS[0] = -1 }},
		"of another policy":   {"binding", func(c *gateCase) { c.evidence.Policy = otherDigest }},
		"vectors of another":  {"binding", func(c *gateCase) { c.evidence.Raw.SHA256 = otherDigest }},
		"cut short and other": {"binding", func(c *gateCase) { c.evidence.Raw.SHA256, c.evidence.Crash = otherDigest, &Crash{Exit: 1} }},
	} {
		t.Run(name, func(t *testing.T) {
			o, names := asked(t, c.spoil)
			assert.Equal(t, Fail, worst(o.findings))
			for _, studied := range []string{"placement", "parity", "precision", "invariance", "latency", "worth-it"} {
				assert.NotContains(t, names, studied)
			}
			assert.Contains(t, names, "tokens")
			assert.Contains(t, names, "readiness")
			f := item(t, Row{Findings: o.findings}, "integrity", c.item)
			require.Len(t, f.Warnings, 1)
			assert.Contains(t, f.Warnings[0], "not judged, since these numbers prove nothing: ")
			assert.Contains(t, f.Warnings[0], "parity, precision, invariance")
		})
	}
	o, _ := asked(t, func(c *gateCase) { c.evidence.Policy, c.evidence.Latency = otherDigest, nil })
	assert.Empty(t, item(t, Row{Findings: o.findings}, "integrity", "plan").Warnings, "it is said once")
}

// The numbers of a wrong candidate are real ones, and tell what is wrong.
func TestAnotherFailureOfIntegrityLeavesEveryCheckAsked(t *testing.T) {
	for name, spoil := range map[string]func(*gateCase){
		"embedding": func(c *gateCase) {
			c.candidate.Manifest.Embedding.Normalize = !c.candidate.Manifest.Embedding.Normalize
		},
		"files":  func(c *gateCase) { withFile(c, "modeling.py") },
		"source": func(c *gateCase) { c.candidate.Manifest.Source.Files = nil },
	} {
		o, names := asked(t, spoil)
		assert.Equal(t, Fail, item(t, Row{Findings: o.findings}, "integrity", name).Result)
		assert.Subset(t, names, []string{"placement", "parity", "precision", "invariance", "latency", "worth-it"}, name)
	}
}

// What saturation says of somebody else's export hangs on parity.
func TestSaturationDoesNotStudyRefusedVectorsEither(t *testing.T) {
	spoil := func(refused bool) func(*gateCase) {
		return func(c *gateCase) {
			c.foreign, c.graph.Saturation = true, onnxfile.Saturation{Products: 1, Columns: 8, Over: 1, Largest: onnxfile.PairLimit + 1}
			c.evidence.Machine.Arch, c.evidence.Machine.InstructionSets = "amd64", []string{SSE41, AVX2}
			for i := range c.evidence.Raw.Primary {
				c.evidence.Raw.Primary[i] *= -1
			}
			if refused {
				c.evidence.Policy = otherDigest
			}
		}
	}
	for refused, want := range map[bool]Result{false: Fail, true: Reported} {
		o, _ := asked(t, spoil(refused))
		assert.Equal(t, want, item(t, Row{Findings: o.findings}, saturationName, "8-bit products").Result, "refused: %v", refused)
	}
}
