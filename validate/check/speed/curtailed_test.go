package speed_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// ended returns a change to evidence: each launch at 16 tokens has so many
// samples of so many ns, and the time limit is 10 s.
func ended(samples int, ns int64) func(in *check.Input, e *evidence.Evidence) {
	return func(in *check.Input, e *evidence.Evidence) {
		in.Policy.Latency.SamplingTimeout, e.Plan.LimitNS = 10*time.Second, int64(10*time.Second)
		for i := range e.Latency {
			if e.Latency[i].Tokens == 16 {
				e.Latency[i].SamplesNS = good.Repeated(ns, samples)
			}
		}
	}
}

func TestATimeLimitThatEndedTheSamplesIsReportedAndProvesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		samples        int
		each           time.Duration
		want           verdict.Result
		measured, next string
	}{
		"a second a text": {11, 920 * time.Millisecond, verdict.Fail,
			"920.00 ms (ended after 10 s: 33 of 300 samples; 33 over the budget are enough to fail)", "over its budget of 20ms"},
		"four seconds a text": {3, 4 * time.Second, verdict.Inconclusive,
			"4000.00 ms (ended after 10 s: 9 of 300 samples; 9 over the budget, and 25 would be enough to fail)", "Raise latency.sampling_timeout in policy.yaml"},
		"one text only": {1, 20 * time.Second, verdict.Inconclusive, "3 of 300 samples", "why one text takes 20000.00 ms"},
	} {
		row := gatetest.Judged(t, ended(c.samples, c.each.Nanoseconds()))
		f := validatetest.Item(t, row, "latency", "16 tokens p95")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.measured, name)
		assert.Contains(t, f.Next, c.next, name)
		assert.Equal(t, verdict.Pass, validatetest.Item(t, row, "integrity", "plan").Result, "%s: this is as planned", name)
		assert.Equal(t, 300, row.Latency[0].Planned, name)
	}
}

func TestSamplesMayBeMissingOnlyWhenTheLimitEndedThem(t *testing.T) {
	few := int64(900 * time.Millisecond)
	for name, c := range map[string]struct {
		spoil func(in *check.Input, e *evidence.Evidence)
		want  string
	}{
		"one of the slow ones left out": {ended(9, few), "9 samples in launch 1, an equal share is 100"},
		"fast ones left out":            {ended(99, 2e6), "99 samples in launch 1"},
		"none at all":                   {ended(0, few), "0 samples in launch 1"},
		"more than planned":             {ended(102, few), "102 samples in launch 1"},
		"a limit that the policy hasn't": {func(in *check.Input, e *evidence.Evidence) {
			ended(11, few)(in, e)
			in.Policy.Latency.SamplingTimeout = 0
		}, "planned a limit of 10000.00 ms, the policy wants 0.00 ms"},
		"a limit that is not the plan's": {func(in *check.Input, e *evidence.Evidence) { ended(11, few)(in, e); e.Plan.LimitNS = 1 }, "planned a limit of 0.00 ms"},
	} {
		row := gatetest.Judged(t, c.spoil)
		f := validatetest.Item(t, row, "integrity", "plan")
		assert.Equal(t, verdict.Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.want, name)
	}
}

func TestALaunchThatTheLimitEndedDoesNotExcuseAnother(t *testing.T) {
	row := gatetest.Judged(t, func(in *check.Input, e *evidence.Evidence) {
		ended(11, int64(920*time.Millisecond))(in, e)
		e.Latency[0].SamplesNS = good.Repeated(2e6, 40)
	})
	assert.Contains(t, validatetest.Item(t, row, "integrity", "plan").Measured, "40 samples in launch 1")
}
