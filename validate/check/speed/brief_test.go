package speed_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestLengthsThatTheChannelOnlyReportsTakeFewLaunches(t *testing.T) {
	p := validatetest.SmallPolicy(validatetest.Laddered(5))
	p.Latency.Launches, p.Latency.Samples = 20, 300
	full := evidence.PlanFor(p, validatetest.Laddered(5), "cpu", "fp32", candidate.Variant{})
	plan := full.For(p.Latency, "local", candidate.FP32)
	assert.Equal(t, []evidence.LatencyPoint{{Tokens: 256, Batch: 1}}, plan.Brief, "256 tokens are gated for int8 alone")
	assert.Equal(t, 4, plan.LaunchesAt(evidence.LatencyPoint{Tokens: 256, Batch: 1}))
	assert.Equal(t, 60, plan.SamplesAt(evidence.LatencyPoint{Tokens: 256, Batch: 1}))
	assert.Equal(t, 20, plan.LaunchesAt(evidence.LatencyPoint{Tokens: 16, Batch: 1}))
	assert.Equal(t, 300, plan.SamplesAt(evidence.LatencyPoint{Tokens: 16, Batch: 1}))
	assert.Empty(t, full.For(p.Latency, "local", candidate.INT8).Brief)
	assert.Empty(t, full.Brief)

	p.Latency.Budgets[1].Channels = []string{"release"}
	assert.Equal(t, []evidence.LatencyPoint{{Tokens: 128, Batch: 1}, {Tokens: 256, Batch: 1}}, full.For(p.Latency, "local", candidate.FP32).Brief)
	assert.Equal(t, []evidence.LatencyPoint{{Tokens: 256, Batch: 1}}, full.For(p.Latency, "release", candidate.FP32).Brief)
}

// briefly changes evidence to that of a plan with few samples at these points.
func briefly(e *evidence.Evidence, points ...evidence.LatencyPoint) {
	e.Plan.Brief = points
	e.Latency = slices.DeleteFunc(e.Latency, func(r evidence.LatencyRun) bool { return r.Launch > e.Plan.LaunchesAt(r.LatencyPoint) })
}

func TestFewSamplesAreEnoughWhereNothingIsDecided(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { briefly(e, evidence.LatencyPoint{Tokens: 256, Batch: 1}) })
	assert.Equal(t, verdict.Pass, row.Result, "%v", validatetest.Failures(row))
	f := validatetest.Item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, verdict.Reported, f.Result)
	assert.Contains(t, f.Sure, "n=100 over", "one launch of three")
}

func TestFewSamplesAreRefusedWhereABudgetIsGated(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		briefly(e, evidence.LatencyPoint{Tokens: 256, Batch: 1}, evidence.LatencyPoint{Tokens: 16, Batch: 1})
	})
	assert.Contains(t, validatetest.Failures(row), "FAIL integrity/plan")
	f := validatetest.Item(t, row, "integrity", "plan")
	assert.Contains(t, f.Measured, "only lengths that the channel reports may have few")

	// The same evidence in a channel that gates the length.
	row = gatetest.Judged(t, func(in *check.Input, e *evidence.Evidence) {
		in.Policy.Latency.Budgets[2].Precisions = nil
		briefly(e, evidence.LatencyPoint{Tokens: 256, Batch: 1})
	})
	assert.Contains(t, validatetest.Failures(row), "FAIL integrity/plan")
}

func TestBriefIsMeasuredAsPlanned(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		briefly(e, evidence.LatencyPoint{Tokens: 256, Batch: 1})
		e.Latency = slices.DeleteFunc(e.Latency, func(r evidence.LatencyRun) bool { return r.Tokens == 256 })
	})
	assert.Contains(t, validatetest.Failures(row), "FAIL integrity/plan", "few is not none")

	row = gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		e.Plan.Brief = []evidence.LatencyPoint{{Tokens: 256, Batch: 1}}
	})
	assert.Contains(t, validatetest.Failures(row), "FAIL integrity/plan", "more samples than planned prove nothing either")
}
