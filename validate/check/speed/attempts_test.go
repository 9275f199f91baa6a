package speed_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Two attempts together may be wrong as often as one: each has half of the
// error probability.
func TestAttemptsShareTheError(t *testing.T) {
	for attempts, want := range map[int]verdict.Result{0: verdict.Pass, 1: verdict.Pass, 2: verdict.Inconclusive} {
		row := gatetest.Judged(t, func(in *check.Input, e *evidence.Evidence) {
			in.Policy.Latency.Attempts = attempts
			for k := range e.Latency {
				if r := &e.Latency[k]; r.Tokens == 16 {
					for i := range r.SamplesNS {
						r.SamplesNS[i] = int64(2 * time.Millisecond)
					}
					// 6 of 300: P is 0.0066.
					for i := range 6 / 3 {
						r.SamplesNS[len(r.SamplesNS)/2*i] = int64(21 * time.Millisecond)
					}
				}
			}
		})
		f := validatetest.Item(t, row, "latency", "16 tokens p95")
		assert.Equal(t, want, f.Result, "%d attempts: %+v", attempts, f)
		if attempts == 2 {
			assert.Contains(t, f.Sure, "P=0.0066 > 0.005")
		} else {
			assert.Contains(t, f.Sure, "P=0.0066 ≤ 0.01")
		}
	}
}

func TestALimitLeavesTimeForExactlySoMany(t *testing.T) {
	for name, c := range map[string]struct {
		samples []int64
		limit   int64
		want    bool
	}{
		"all, without a limit":             {[]int64{5, 5, 5}, 0, true},
		"fewer, without a limit":           {[]int64{5, 5}, 0, false},
		"all, below the limit":             {[]int64{5, 5, 5}, 100, true},
		"all, and the last reaches it":     {[]int64{5, 5, 5}, 15, true},
		"fewer, and the last reaches it":   {[]int64{5, 5}, 10, true},
		"one that alone reaches it":        {[]int64{50}, 10, true},
		"fewer, though there was time":     {[]int64{5, 4}, 10, false},
		"more than there was time for":     {[]int64{5, 5, 5}, 10, false},
		"a slow first one, and others yet": {[]int64{50, 1}, 10, false},
		"none":                             {nil, 10, false},
		"more than planned":                {[]int64{1, 1, 1, 1}, 100, false},
		"so long that a sum overflows":     {[]int64{1 << 62, 1 << 62, 1 << 62}, 10, false},
	} {
		assert.Equal(t, c.want, evidence.Complete(c.samples, 3, c.limit), name)
	}
}
