package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// rounds sets this side's samples to so many times the other's, by round.
func rounds(e *Evidence, times func(round, tokens int) float64) {
	for i := range e.Pairs {
		if r := &e.Pairs[i]; r.Provider == e.Provider {
			r.SamplesNS = repeat(int64(2e6*times(r.Round, r.Tokens)), len(r.SamplesNS))
		} else {
			r.SamplesNS = repeat(2e6, len(r.SamplesNS))
		}
	}
}

func TestAProviderMustBeFasterThanTheCPUOfItsMachine(t *testing.T) {
	for name, c := range map[string]struct {
		times        func(round, tokens int) float64
		want         Result
		measured     string
		sure, advice string
	}{
		"ten times as fast": {func(int, int) float64 { return 0.1 }, Pass, "10 × as fast as cpu × fp32", "7 of 7 rounds won, P=0.0078", ""},
		"just as fast":      {func(int, int) float64 { return 1 }, Pass, "1 × as fast", "7 of 7", ""},
		"450 times slower":  {func(int, int) float64 { return 450 }, Fail, "0.00222 × as fast as cpu × fp32", "0 of 7 rounds won, P=0.0078", "not worth it: the same text is ready sooner on cpu × fp32"},
		"mostly faster": {func(round, _ int) float64 {
			if round == 4 {
				return 1.2
			}
			return 0.9
		}, Inconclusive, "1.11 × as fast", "6 of 7 rounds won, P=0.062", "too near to each other"},
	} {
		row := onCUDA(t, func(_ *Input, e *Evidence) { rounds(e, c.times) })
		f := item(t, row, "worth-it", "16 tokens")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.measured, name)
		assert.Contains(t, f.Sure, c.sure, name)
		assert.Contains(t, f.Next, c.advice, name)
		assert.Len(t, row.WorthIt, 2, name)
	}
}

func TestEachLengthIsWorthItByItself(t *testing.T) {
	row := onCUDA(t, func(_ *Input, e *Evidence) {
		rounds(e, func(_, tokens int) float64 { return 3 - float64(tokens)/50 })
	})
	assert.Equal(t, []string{"FAIL worth-it/16 tokens"}, failures(row))
	assert.Equal(t, WorthSummary{Tokens: 128, Against: "cpu × fp32", Speedup: 2.272729855, Won: 7, Rounds: 7}, row.WorthIt[1])
}

func TestWhatOthersAreComparedWithIsNotComparedWithItself(t *testing.T) {
	row := judged(t, func(*Input, *Evidence) {})
	for _, f := range row.Findings {
		assert.NotEqual(t, "worth-it", f.Check)
	}
	assert.Empty(t, failures(row))
	row = judged(t, func(_ *Input, e *Evidence) { e.Pairs = []PairedRun{{Round: 1}} })
	assert.Equal(t, []string{"FAIL integrity/plan"}, failures(row), "a comparison that nobody planned")
}

func TestAComparisonThatWasNotMadeAsPlannedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(e *Evidence)
		want  string
	}{
		"no round":                  {func(e *Evidence) { e.Pairs = nil }, "round 1, 16 tokens: not one process of each side"},
		"one process left out":      {func(e *Evidence) { e.Pairs = e.Pairs[1:] }, "round 1, 16 tokens: not one process of each side"},
		"a process twice":           {func(e *Evidence) { e.Pairs = append(e.Pairs, e.Pairs[0]) }, "round 1, 16 tokens: cuda is there twice"},
		"a round too many":          {func(e *Evidence) { r := e.Pairs[0]; r.Round = 8; e.Pairs = append(e.Pairs, r) }, "round 8 of 7"},
		"a third process":           {func(e *Evidence) { e.Pairs[0].Order = 2 }, "process 2 of 2"},
		"the cpu in another form":   {func(e *Evidence) { e.Pairs[1].Variant = "int8" }, "round 1 is of cpu × int8"},
		"a length nobody planned":   {func(e *Evidence) { e.Pairs[0].Tokens = 256 }, "a text of 256 tokens"},
		"a sample too few":          {func(e *Evidence) { e.Pairs[0].SamplesNS = e.Pairs[0].SamplesNS[1:] }, "4 samples of cuda, wanted 5"},
		"a sample too many":         {func(e *Evidence) { e.Pairs[0].SamplesNS = append(e.Pairs[0].SamplesNS, 1) }, "6 samples of cuda, wanted 5"},
		"a sample before its start": {func(e *Evidence) { e.Pairs[0].SamplesNS[2] = -5 }, "sample 2 of cuda lasts -5 ns"},
		"both at once":              {func(e *Evidence) { e.Pairs[1].Order = e.Pairs[0].Order }, "round 1: both sides at once"},
		"the same one first twice": {func(e *Evidence) {
			for i := range e.Pairs {
				if e.Pairs[i].Round == 2 {
					e.Pairs[i].Order = 1 - e.Pairs[i].Order
				}
			}
		}, "rounds 1 and 2 begin with the same side"},
		"an order of each length's own": {func(e *Evidence) {
			for i := range e.Pairs {
				if e.Pairs[i].Round == 1 && e.Pairs[i].Tokens == 128 {
					e.Pairs[i].Order = 1 - e.Pairs[i].Order
				}
			}
		}, "round 1: both sides at once"},
	} {
		row := onCUDA(t, func(_ *Input, e *Evidence) { c.spoil(e) })
		assert.Equal(t, []string{"FAIL worth-it/rounds"}, failures(row), name)
		assert.Contains(t, item(t, row, "worth-it", "rounds").Measured, c.want, name)
		assert.Empty(t, row.WorthIt, name)
	}
}

func TestRoundsOfASlowProviderMayEndAtTheLimit(t *testing.T) {
	slow := func(samples int) func(in *Input, e *Evidence) {
		return func(in *Input, e *Evidence) {
			in.Policy.Latency.Limit = 10e9
			e.Plan.LimitNS = 10e9
			for i := range e.Pairs {
				if e.Pairs[i].Provider == "cuda" {
					e.Pairs[i].SamplesNS = repeat(2e9, samples)
				}
			}
		}
	}
	row := onCUDA(t, slow(3)) // 6 s of the 5 s that each side has
	assert.Equal(t, []string{"FAIL worth-it/16 tokens", "FAIL worth-it/128 tokens"}, failures(row))
	row = onCUDA(t, slow(1))
	assert.Equal(t, []string{"FAIL worth-it/rounds"}, failures(row), "2 s are no reason to end")
}
