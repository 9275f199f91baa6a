package speed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestLatencyAnswersSayHowSureAndWhatToDo(t *testing.T) {
	at16 := func(e *evidence.Evidence, ns func(launch, i int) int64) {
		for k := range e.Latency {
			if e.Latency[k].Tokens == 16 {
				for i := range e.Latency[k].SamplesNS {
					e.Latency[k].SamplesNS[i] = ns(e.Latency[k].Launch, i)
				}
			}
		}
	}
	ms := int64(time.Millisecond)
	for name, c := range map[string]struct {
		spoil      func(e *evidence.Evidence)
		want       verdict.Result
		measured   string
		sure, next string
		warning    string
	}{
		"well within": {func(e *evidence.Evidence) { at16(e, func(_, i int) int64 { return 2 * ms }) }, verdict.Pass, "2.00 ms", "k=0 of n=300 over, P=2.1e-07 ≤ 0.01", "", ""},
		"a few spikes": {func(e *evidence.Evidence) {
			at16(e, func(_, i int) int64 {
				if i%50 == 7 {
					return 30 * ms
				}
				return 2 * ms
			})
		}, verdict.Pass, "2.00 ms", "k=6 of n=300", "", ""},
		"too near to tell": {func(e *evidence.Evidence) {
			at16(e, func(_, i int) int64 {
				if i%20 == 7 {
					return 30 * ms
				}
				return 2 * ms
			})
		}, verdict.Inconclusive, "2.00 ms", "k=15 of n=300", "too near the budget of 20ms for a decision with 300 samples", ""},
		"over":                      {func(e *evidence.Evidence) { at16(e, func(_, i int) int64 { return 21 * ms }) }, verdict.Fail, "21.00 ms", "k=300 of n=300", "over its budget of 20ms", ""},
		"drifting up to the budget": {func(e *evidence.Evidence) { at16(e, func(_, i int) int64 { return 17*ms + int64(i)*29000 }) }, verdict.Inconclusive, "19.73 ms", "independent ones", "move slowly together", "depend on each other"},
		"a noisy machine near the budget": {func(e *evidence.Evidence) {
			at16(e, func(_, i int) int64 { return 18 * ms })
			for k := range e.Latency {
				e.Latency[k].StealTicks = 300
			}
		}, verdict.Inconclusive, "18.00 ms", "k=0", "would pass on a quiet machine", "30.0 % of the time was stolen"},
		"a noisy machine far from the budget": {func(e *evidence.Evidence) {
			at16(e, func(_, i int) int64 { return 2 * ms })
			for k := range e.Latency {
				for i := range e.Latency[k].CalibrationNS {
					e.Latency[k].CalibrationNS[i] += int64(i%2) * 1e6
				}
			}
		}, verdict.Pass, "2.00 ms", "k=0", "", "p90 is 2.00 × its median"},
		"a noisy machine over the budget": {func(e *evidence.Evidence) {
			at16(e, func(_, i int) int64 { return 30 * ms })
			for k := range e.Latency {
				e.Latency[k].StealTicks = 900
			}
		}, verdict.Fail, "30.00 ms", "k=300", "chance is ruled out. Make the model faster here (fewer threads in contention, another variant or provider), or change the promise in policy.yaml. The machine was unsteady", "stolen"},
		"no calibration": {func(e *evidence.Evidence) {
			for k := range e.Latency {
				e.Latency[k].CalibrationNS = nil
			}
		}, verdict.Inconclusive, "2.00 ms", "k=0", "quiet machine", "fewer than 8 times"},
	} {
		row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { c.spoil(e) })
		f := validatetest.Item(t, row, "latency", "16 tokens p95")
		assert.Equal(t, c.want, f.Result, "%s: %+v", name, f)
		assert.Equal(t, c.measured, f.Measured, name)
		assert.Equal(t, "< 20.00 ms", f.Threshold, name)
		assert.Contains(t, f.Sure, c.sure, name)
		assert.Contains(t, f.Next, c.next, name)
		assert.Contains(t, strings.Join(f.Warnings, "; "), c.warning, name)
		if c.next == "" {
			assert.Empty(t, f.Next, name)
		}
	}
}

func TestALengthThatGatesNothingIsReported(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		for k := range e.Latency {
			if e.Latency[k].Tokens == 256 {
				for i := range e.Latency[k].SamplesNS {
					e.Latency[k].SamplesNS[i] = int64(time.Second)
				}
			}
		}
	})
	f := validatetest.Item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, verdict.Reported, f.Result)
	assert.Equal(t, "1000.00 ms", f.Measured)
	assert.Equal(t, verdict.Pass, row.Result)
}

func TestALengthThatAnotherChannelGatesIsReportedWithAWarning(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Policy.Latency.Budgets[1].Channels = []string{"release"}
	slow := int64(30 * time.Millisecond)
	for i := range in.Evidence[0].Latency {
		if r := &in.Evidence[0].Latency[i]; r.Tokens > 16 {
			r.SamplesNS = good.Repeated(slow, len(r.SamplesNS))
		}
	}
	v := gatetest.Gate(t, in)
	row := validatetest.RowOf(t, v, "cpu", "fp32")
	require.Equal(t, verdict.Pass, row.Result, "%v", validatetest.Failures(row))
	f := validatetest.Item(t, row, "latency", "128 tokens p95")
	assert.Equal(t, verdict.Reported, f.Result)
	assert.Equal(t, "none (< 20.00 ms in channel release)", f.Threshold)
	assert.Contains(t, f.Warnings, "over 20.00 ms on this machine: its budget in channel release")
	f = validatetest.Item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, "none (< 20.00 ms for int8)", f.Threshold)
	assert.Empty(t, f.Warnings, "it gates fp32 nowhere")

	in.Channel = "release"
	row = validatetest.RowOf(t, gatetest.Gate(t, in), "cpu", "fp32")
	assert.Equal(t, []string{"FAIL latency/128 tokens p95"}, validatetest.Failures(row), "the same evidence fails where the line gates")
}

func TestColdStartAndMemoryAreJudgedByTheWorstLaunch(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		e.Cold[1].FromStartNS = int64(6 * time.Second)
		e.Memory[3].RSS = 700 << 20
	})
	assert.Equal(t, []string{"FAIL cold-start/slowest launch", "FAIL memory/largest process"}, validatetest.Failures(row))
	assert.Equal(t, "6000.00 ms", validatetest.Item(t, row, "cold-start", "slowest launch").Measured)
	assert.Contains(t, validatetest.Item(t, row, "cold-start", "slowest launch").Next, "Launch 2")
	assert.Equal(t, "700.0 MiB", validatetest.Item(t, row, "memory", "largest process").Measured)
}

func TestIncompleteOrImpossibleMeasurementsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil      func(in *check.Input, e *evidence.Evidence)
		item, want string
	}{
		"another plan":           {func(_ *check.Input, e *evidence.Evidence) { e.Plan.Samples = 30 }, "plan", "planned 30 samples over 3 launches"},
		"other lengths planned":  {func(_ *check.Input, e *evidence.Evidence) { e.Plan.Points = e.Plan.Points[1:] }, "plan", "other lengths"},
		"a length planned twice": {func(_ *check.Input, e *evidence.Evidence) { e.Plan.Points[1] = e.Plan.Points[0] }, "plan", "other lengths"},
		"a length that was not planned": {func(_ *check.Input, e *evidence.Evidence) {
			r := e.Latency[0]
			r.Tokens = 8
			e.Latency = append(e.Latency, r)
		}, "plan", "8 tokens, which the policy does not name"},
		"a launch too many": {func(_ *check.Input, e *evidence.Evidence) {
			r := e.Latency[0]
			r.Launch = 4
			e.Latency = append(e.Latency, r)
		}, "plan", "launch 4 of 3"},
		"samples moved to another launch": {func(_ *check.Input, e *evidence.Evidence) {
			e.Latency[0].SamplesNS = e.Latency[0].SamplesNS[:50]
			e.Latency[3].SamplesNS = good.Repeated(1, 150)
		}, "plan", "50 samples in launch 1, an equal share is 100"},
		"a cold start missing":             {func(_ *check.Input, e *evidence.Evidence) { e.Cold = e.Cold[1:] }, "plan", "cold start of launch 1 is missing"},
		"a cold start twice":               {func(_ *check.Input, e *evidence.Evidence) { e.Cold = append(e.Cold, e.Cold[0]) }, "plan", "a launch is there twice"},
		"a memory peak missing":            {func(_ *check.Input, e *evidence.Evidence) { e.Memory = e.Memory[1:] }, "plan", "memory of launch 1 is missing"},
		"a sample of zero":                 {func(_ *check.Input, e *evidence.Evidence) { e.Latency[0].SamplesNS[3] = 0 }, "numbers", "sample 3 lasts 0 ns"},
		"a calibration of zero":            {func(_ *check.Input, e *evidence.Evidence) { e.Latency[0].CalibrationNS[3] = 0 }, "numbers", "calibration 3"},
		"more stolen than there was":       {func(_ *check.Input, e *evidence.Evidence) { e.Latency[0].StealTicks = 2000 }, "numbers", "2000 of 1000 ticks"},
		"stolen less than unknown":         {func(_ *check.Input, e *evidence.Evidence) { e.Latency[0].StealTicks = -2 }, "numbers", "-2 of 1000"},
		"a cold start of nothing":          {func(_ *check.Input, e *evidence.Evidence) { e.Cold[0].LoadNS = 0 }, "numbers", "0 ns to load"},
		"a process without memory":         {func(_ *check.Input, e *evidence.Evidence) { e.Memory[0].RSS = 0 }, "numbers", "0 bytes"},
		"more useful tokens than computed": {func(_ *check.Input, e *evidence.Evidence) { e.Computed = 1 }, "numbers", "useful tokens of 1 computed"},
		"a source that is not pinned":      {func(in *check.Input, _ *evidence.Evidence) { in.Candidate.Manifest.Source.Files["evil.json"] = "1" }, "source", "evil.json is sha256 1, and the policy pins none"},
		"no weights in the candidate": {func(in *check.Input, _ *evidence.Evidence) {
			delete(in.Candidate.Manifest.Source.Files, "model.safetensors")
		}, "source", "no source of this candidate"},
		"another tokenizer file": {func(in *check.Input, _ *evidence.Evidence) {
			in.Candidate.Manifest.Source.Files["tokenizer.json"] = "1"
			in.Policy.Model.Files["tokenizer.json"] = "1"
		}, "source", "tokenizer.json is sha256 1"},
		"normalisation configured away":    {func(in *check.Input, _ *evidence.Evidence) { in.Candidate.Manifest.Embedding.Normalize = false }, "embedding", "normalisation is false"},
		"another token limit":              {func(in *check.Input, _ *evidence.Evidence) { in.Candidate.Manifest.Embedding.MaxTokens = 128 }, "embedding", "max tokens is 128"},
		"another dimension":                {func(in *check.Input, _ *evidence.Evidence) { in.Candidate.Manifest.Embedding.Dimension = 12 }, "embedding", "dimension is 12"},
		"another model":                    {func(in *check.Input, _ *evidence.Evidence) { in.Candidate.Manifest.Model = "big" }, "embedding", `the model is "big"`},
		"a variant the candidate lacks":    {func(in *check.Input, _ *evidence.Evidence) { delete(in.Candidate.Manifest.Variants, "fp32") }, "variant", "the candidate has no variant"},
		"vectors without a digest":         {func(_ *check.Input, e *evidence.Evidence) { e.VectorsSHA256 = "" }, "binding", "vectors are sha256 self-test"},
		"measurements in evidence of none": {func(_ *check.Input, e *evidence.Evidence) { e.NotMeasured = &evidence.NotMeasured{Reason: "x"} }, "binding", "says that nothing was measured"},
	} {
		row := gatetest.Judged(t, c.spoil)
		f := validatetest.Item(t, row, "integrity", c.item)
		assert.Equal(t, verdict.Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.want, name)
		assert.NotEmpty(t, f.Next, name)
		assert.Equal(t, verdict.Fail, row.Result, name)
	}
}
