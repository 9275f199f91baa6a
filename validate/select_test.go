package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/candidate"
)

// rowWith passed with these medians in ns at 16, 128 and 256 tokens; 0: not
// measured there.
func rowWith(variant string, result Result, medians ...int64) Row {
	r := Row{Provider: "cpu", Variant: variant, Result: result}
	for i, n := range medians {
		if n > 0 {
			r.Latency = append(r.Latency, LatencySummary{LatencyPoint: LatencyPoint{[]int{16, 128, 256}[i], 1}, N: 300, P50NS: n})
		}
	}
	return r
}

func TestTheFastestVariantThatPassedIsBest(t *testing.T) {
	in := smallInput(t)
	cpu := in.Policy.Providers["cpu"]
	cpu.Variants = []string{"fp32", "int8"}
	in.Policy.Providers["cpu"] = cpu
	for name, c := range map[string]struct {
		rows []Row
		want string
	}{
		"the fastest at the longest length that gates both": {[]Row{rowWith("fp32", Pass, 1, 9, 20), rowWith("int8", Pass, 2, 5, 30)}, "int8"},
		"one that failed is none":                           {[]Row{rowWith("fp32", Pass, 1, 9, 20), rowWith("int8", Fail, 1, 1, 1)}, "fp32"},
		"one that nobody can decide is none":                {[]Row{rowWith("fp32", Inconclusive, 1, 9, 20), rowWith("int8", Pass, 9, 9, 99)}, "int8"},
		"as fast, so the more precise":                      {[]Row{rowWith("int8", Pass, 1, 5, 1), rowWith("fp32", Pass, 9, 5, 9)}, "fp32"},
		"the longest that both have":                        {[]Row{rowWith("fp32", Pass, 3, 0, 0), rowWith("int8", Pass, 4, 1, 1)}, "fp32"},
		"none in common":                                    {[]Row{rowWith("fp32", Pass, 3, 0, 0), rowWith("int8", Pass, 0, 1, 0)}, ""},
		"none that passed":                                  {[]Row{rowWith("fp32", Fail, 3, 3, 3)}, ""},
	} {
		for range 2 { // whatever their order
			best := ""
			rows := append([]Row(nil), c.rows...)
			in.markBest(rows)
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
	in := smallInput(t)
	in.Evidence = append(in.Evidence, evidenceFor(t, in, "coreml", "fp32"), evidenceFor(t, in, "coreml", "int8"))
	for i := range in.Evidence[2].Latency {
		for k := range in.Evidence[2].Latency[i].SamplesNS {
			in.Evidence[2].Latency[i].SamplesNS[k] /= 2
		}
	}
	v := gate(t, in)
	assert.True(t, rowOf(t, v, "cpu", "fp32").Best)
	assert.False(t, rowOf(t, v, "coreml", "fp32").Best)
	best := rowOf(t, v, "coreml", "int8")
	assert.True(t, best.Best)
	assert.Equal(t, "CPUAndGPU", best.Session.Options.Provider["MLComputeUnits"], "with what was opened")
	assert.False(t, rowOf(t, v, "cuda", "fp32").Best, "not measured")
	assert.Equal(t, candidate.INT8, in.Policy.Class("coreml", "int8"))
}
