package speed_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// rounds sets this provider's samples to so many times the other's, by round.
func rounds(e *evidence.Evidence, times func(round, tokens int) float64) {
	for i := range e.Pairs {
		if r := &e.Pairs[i]; r.Provider == e.Provider {
			r.SamplesNS = good.Repeated(int64(2e6*times(r.Round, r.Tokens)), len(r.SamplesNS))
		} else {
			r.SamplesNS = good.Repeated(2e6, len(r.SamplesNS))
		}
	}
}

func TestAProviderMustBeFasterThanTheCPUOfItsMachine(t *testing.T) {
	for name, c := range map[string]struct {
		times        func(round, tokens int) float64
		want         verdict.Result
		measured     string
		sure, advice string
	}{
		"ten times as fast": {func(int, int) float64 { return 0.1 }, verdict.Pass, "10 × as fast as cpu × fp32", "7 of 7 rounds won, P=0.0078", ""},
		"just as fast":      {func(int, int) float64 { return 1 }, verdict.Pass, "1 × as fast", "7 of 7", ""},
		"450 times slower":  {func(int, int) float64 { return 450 }, verdict.Fail, "0.00222 × as fast as cpu × fp32", "0 of 7 rounds won, P=0.0078", "not worth it: the same text is ready sooner on cpu × fp32"},
		"mostly faster": {func(round, _ int) float64 {
			if round == 4 {
				return 1.2
			}
			return 0.9
		}, verdict.Inconclusive, "1.11 × as fast", "6 of 7 rounds won, P=0.062", "too near to each other"},
	} {
		row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) { rounds(e, c.times) })
		f := validatetest.Item(t, row, "worth-it", "16 tokens")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.measured, name)
		assert.Contains(t, f.Sure, c.sure, name)
		assert.Contains(t, f.Next, c.advice, name)
		assert.Len(t, row.WorthIt, 2, name)
	}
}

func TestEachLengthIsJudgedByItself(t *testing.T) {
	row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) {
		rounds(e, func(_, tokens int) float64 { return 3 - float64(tokens)/50 })
	})
	assert.Equal(t, []string{"FAIL worth-it/16 tokens"}, validatetest.Failures(row))
	assert.Equal(t, verdict.WorthSummary{Tokens: 128, Against: "cpu × fp32", Speedup: 2.272729855, Won: 7, Rounds: 7}, row.WorthIt[1])
}

func TestTheProviderOfTheComparisonIsNotComparedWithItself(t *testing.T) {
	row := gatetest.Judged(t, func(*check.Input, *evidence.Evidence) {})
	for _, f := range row.Findings {
		assert.NotEqual(t, "worth-it", f.Check)
	}
	assert.Empty(t, validatetest.Failures(row))
	row = gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { e.Pairs = []evidence.PairedRun{{Round: 1}} })
	assert.Equal(t, []string{"FAIL integrity/plan"}, validatetest.Failures(row), "a comparison that was not planned")
}

func TestAComparisonThatWasNotMadeAsPlannedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(e *evidence.Evidence)
		want  string
	}{
		"no round":                      {func(e *evidence.Evidence) { e.Pairs = nil }, "round 1, 16 tokens: not one process of each side"},
		"one process left out":          {func(e *evidence.Evidence) { e.Pairs = e.Pairs[1:] }, "round 1, 16 tokens: not one process of each side"},
		"a process twice":               {func(e *evidence.Evidence) { e.Pairs = append(e.Pairs, e.Pairs[0]) }, "round 1, 16 tokens: cuda is there twice"},
		"a round too many":              {func(e *evidence.Evidence) { r := e.Pairs[0]; r.Round = 8; e.Pairs = append(e.Pairs, r) }, "round 8 of 7"},
		"a third process":               {func(e *evidence.Evidence) { e.Pairs[0].Order = 2 }, "process 2 of 2"},
		"the cpu in another form":       {func(e *evidence.Evidence) { e.Pairs[1].Variant = "int8" }, "round 1 is of cpu × int8"},
		"a length that was not planned": {func(e *evidence.Evidence) { e.Pairs[0].Tokens = 256 }, "a text of 256 tokens"},
		"a sample too few":              {func(e *evidence.Evidence) { e.Pairs[0].SamplesNS = e.Pairs[0].SamplesNS[1:] }, "4 samples of cuda, wanted 5"},
		"a sample too many":             {func(e *evidence.Evidence) { e.Pairs[0].SamplesNS = append(e.Pairs[0].SamplesNS, 1) }, "6 samples of cuda, wanted 5"},
		"a sample before its start":     {func(e *evidence.Evidence) { e.Pairs[0].SamplesNS[2] = -5 }, "sample 2 of cuda lasts -5 ns"},
		"both at once":                  {func(e *evidence.Evidence) { e.Pairs[1].Order = e.Pairs[0].Order }, "round 1: both sides at once"},
		"the same one first twice": {func(e *evidence.Evidence) {
			for i := range e.Pairs {
				if e.Pairs[i].Round == 2 {
					e.Pairs[i].Order = 1 - e.Pairs[i].Order
				}
			}
		}, "rounds 1 and 2 begin with the same side"},
		"an order of each length's own": {func(e *evidence.Evidence) {
			for i := range e.Pairs {
				if e.Pairs[i].Round == 1 && e.Pairs[i].Tokens == 128 {
					e.Pairs[i].Order = 1 - e.Pairs[i].Order
				}
			}
		}, "round 1: both sides at once"},
	} {
		row := gatetest.OnCUDA(t, func(_ *check.Input, e *evidence.Evidence) { c.spoil(e) })
		assert.Equal(t, []string{"FAIL worth-it/rounds"}, validatetest.Failures(row), name)
		assert.Contains(t, validatetest.Item(t, row, "worth-it", "rounds").Measured, c.want, name)
		assert.Empty(t, row.WorthIt, name)
	}
}

func TestRoundsOfASlowProviderMayEndAtTheLimit(t *testing.T) {
	slow := func(samples int) func(in *check.Input, e *evidence.Evidence) {
		return func(in *check.Input, e *evidence.Evidence) {
			in.Policy.Latency.SamplingTimeout = 10e9
			e.Plan.LimitNS = 10e9
			for i := range e.Pairs {
				if e.Pairs[i].Provider == "cuda" {
					e.Pairs[i].SamplesNS = good.Repeated(2e9, samples)
				}
			}
		}
	}
	row := gatetest.OnCUDA(t, slow(3)) // 6 s of the 5 s that each side has
	assert.Equal(t, []string{"FAIL worth-it/16 tokens", "FAIL worth-it/128 tokens"}, validatetest.Failures(row))
	row = gatetest.OnCUDA(t, slow(1))
	assert.Equal(t, []string{"FAIL worth-it/rounds"}, validatetest.Failures(row), "2 s are no reason to end")
}
