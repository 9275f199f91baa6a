package validate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/candidate"
)

func TestLengthsThatTheChannelOnlyReportsTakeFewLaunches(t *testing.T) {
	p := smallPolicy(laddered(5))
	p.Latency.Launches, p.Latency.Samples = 20, 300
	full := PlanFor(p, laddered(5), "cpu", "fp32", candidate.Variant{})
	plan := full.For(p.Latency, "local", candidate.FP32)
	assert.Equal(t, []LatencyPoint{{256, 1}}, plan.Brief, "256 tokens are gated for int8 alone")
	assert.Equal(t, 4, plan.LaunchesAt(LatencyPoint{256, 1}))
	assert.Equal(t, 60, plan.SamplesAt(LatencyPoint{256, 1}))
	assert.Equal(t, 20, plan.LaunchesAt(LatencyPoint{16, 1}))
	assert.Equal(t, 300, plan.SamplesAt(LatencyPoint{16, 1}))
	assert.Empty(t, full.For(p.Latency, "local", candidate.INT8).Brief)
	assert.Empty(t, full.Brief)

	p.Latency.Budgets[1].Channels = []string{"release"}
	assert.Equal(t, []LatencyPoint{{128, 1}, {256, 1}}, full.For(p.Latency, "local", candidate.FP32).Brief)
	assert.Equal(t, []LatencyPoint{{256, 1}}, full.For(p.Latency, "release", candidate.FP32).Brief)
}

// briefly makes evidence as a measurement that was planned so leaves it.
func briefly(e *Evidence, points ...LatencyPoint) {
	e.Plan.Brief = points
	e.Latency = slices.DeleteFunc(e.Latency, func(r LatencyRun) bool { return r.Launch > e.Plan.LaunchesAt(r.LatencyPoint) })
}

func TestFewSamplesAreEnoughWhereNothingIsDecided(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) { briefly(e, LatencyPoint{256, 1}) })
	assert.Equal(t, Pass, row.Result, "%v", failures(row))
	f := item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, Reported, f.Result)
	assert.Contains(t, f.Sure, "n=100 over", "one launch of three")
}

func TestFewSamplesAreRefusedWhereABudgetIsGated(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) { briefly(e, LatencyPoint{256, 1}, LatencyPoint{16, 1}) })
	assert.Contains(t, failures(row), "FAIL integrity/plan")
	f := item(t, row, "integrity", "plan")
	assert.Contains(t, f.Measured, "only lengths that the channel reports may have few")

	// The same evidence, another channel: what was reported there is gated here.
	row = judged(t, func(in *Input, e *Evidence) {
		in.Policy.Latency.Budgets[2].Classes = nil
		briefly(e, LatencyPoint{256, 1})
	})
	assert.Contains(t, failures(row), "FAIL integrity/plan")
}

func TestBriefIsMeasuredAsPlanned(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) {
		briefly(e, LatencyPoint{256, 1})
		e.Latency = slices.DeleteFunc(e.Latency, func(r LatencyRun) bool { return r.Tokens == 256 })
	})
	assert.Contains(t, failures(row), "FAIL integrity/plan", "few is not none")

	row = judged(t, func(_ *Input, e *Evidence) { e.Plan.Brief = []LatencyPoint{{256, 1}} })
	assert.Contains(t, failures(row), "FAIL integrity/plan", "more than planned proves nothing, too")
}
