package gate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// rowWith returns a row with these medians in ns at 16, 128 and 256 tokens; 0:
// not measured there.
func rowWith(variant string, result verdict.Result, medians ...int64) verdict.Row {
	r := verdict.Row{Provider: "cpu", Variant: variant, Result: result}
	for i, n := range medians {
		if n > 0 {
			r.Latency = append(r.Latency, verdict.LatencySummary{LatencyPoint: evidence.LatencyPoint{Tokens: []int{16, 128, 256}[i], Batch: 1}, N: 300, P50NS: n})
		}
	}
	return r
}

func TestTheFastestVariantThatPassedIsBest(t *testing.T) {
	in := validatetest.SmallInput(t)
	cpu := in.Policy.Providers["cpu"]
	cpu.Variants = []string{"fp32", "int8"}
	in.Policy.Providers["cpu"] = cpu
	for name, c := range map[string]struct {
		rows []verdict.Row
		want string
	}{
		"the fastest at the longest length that gates both": {[]verdict.Row{rowWith("fp32", verdict.Pass, 1, 9, 20), rowWith("int8", verdict.Pass, 2, 5, 30)}, "int8"},
		"not one that failed":                               {[]verdict.Row{rowWith("fp32", verdict.Pass, 1, 9, 20), rowWith("int8", verdict.Fail, 1, 1, 1)}, "fp32"},
		"not an inconclusive one":                           {[]verdict.Row{rowWith("fp32", verdict.Inconclusive, 1, 9, 20), rowWith("int8", verdict.Pass, 9, 9, 99)}, "int8"},
		"as fast, so the more precise":                      {[]verdict.Row{rowWith("int8", verdict.Pass, 1, 5, 1), rowWith("fp32", verdict.Pass, 9, 5, 9)}, "fp32"},
		"the longest that both have":                        {[]verdict.Row{rowWith("fp32", verdict.Pass, 3, 0, 0), rowWith("int8", verdict.Pass, 4, 1, 1)}, "fp32"},
		"none in common":                                    {[]verdict.Row{rowWith("fp32", verdict.Pass, 3, 0, 0), rowWith("int8", verdict.Pass, 0, 1, 0)}, ""},
		"none that passed":                                  {[]verdict.Row{rowWith("fp32", verdict.Fail, 3, 3, 3)}, ""},
	} {
		for range 2 { // in both orders
			best := ""
			rows := append([]verdict.Row(nil), c.rows...)
			gate.MarkBest(in, rows)
			for _, r := range rows {
				if r.Best {
					assert.Empty(t, best, name)
					best = r.Variant
				}
			}
			assert.Equal(t, c.want, best, name)
			if len(c.rows) == 2 {
				c.rows[0], c.rows[1] = c.rows[1], c.rows[0]
			}
		}
	}
}

func TestTheVerdictMarksOneBestForEachProvider(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Evidence = append(in.Evidence, validatetest.EvidenceFor(t, in, "coreml", "fp32"), validatetest.EvidenceFor(t, in, "coreml", "int8"))
	for i := range in.Evidence[2].Latency {
		for k := range in.Evidence[2].Latency[i].SamplesNS {
			in.Evidence[2].Latency[i].SamplesNS[k] /= 2
		}
	}
	v := gatetest.Gate(t, in)
	assert.True(t, validatetest.RowOf(t, v, "cpu", "fp32").Best)
	assert.False(t, validatetest.RowOf(t, v, "coreml", "fp32").Best)
	best := validatetest.RowOf(t, v, "coreml", "int8")
	assert.True(t, best.Best)
	assert.Equal(t, "CPUAndGPU", best.Session.Options.Provider["MLComputeUnits"], "with what was opened")
	assert.False(t, validatetest.RowOf(t, v, "cuda", "fp32").Best, "not measured")
	assert.Equal(t, candidate.INT8, in.Policy.Class("coreml", "int8"))
}
