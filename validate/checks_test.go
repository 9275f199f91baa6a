package validate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
)

// judged changes good evidence and returns what the gate says of it.
func judged(t *testing.T, spoil func(in *Input, e *Evidence)) Row {
	in := smallInput(t)
	spoil(&in, &in.Evidence[0])
	return gate(t, in).Rows[0]
}

func item(t *testing.T, r Row, check, item string) Finding {
	for _, f := range r.Findings {
		if f.Check == check && f.Item == item {
			return f
		}
	}
	require.Fail(t, "no finding", "%s/%s", check, item)
	return Finding{}
}

func TestATokenMismatchNamesTextPositionIdsAndCause(t *testing.T) {
	cut := func(e *Evidence) {
		for i, ids := range e.Raw.IDs {
			e.Raw.IDs[i] = append(ids[:2:2], 102)
		}
	}
	for name, c := range map[string]struct {
		spoil func(in *Input, e *Evidence)
		want  []string
	}{
		"one id":           {func(_ *Input, e *Evidence) { e.Raw.IDs[7][1] = 100 }, []string{`Text "everyday-07" differs first at position 1`, "got ids [101 100 2006", "wanted [101 1007 2006", "capital letters"}},
		"a truncated text": {func(_ *Input, e *Evidence) { cut(e) }, []string{`Text "everyday-00" differs first at position 2`, "truncation limit is not the model's 32"}},
		"no ids in a text": {func(_ *Input, e *Evidence) { e.Raw.IDs[0] = nil }, []string{"got ids none (0 ids in all)"}},
		"another vocabulary": {func(_ *Input, e *Evidence) {
			for _, ids := range e.Raw.IDs {
				ids[1] += 5
			}
		}, []string{"tokenizer.json is another model's"}},
		"invalid UTF-8": {func(in *Input, e *Evidence) {
			in.Golden.Texts[40].Bytes = []byte("\xff")
			e.Raw.IDs[40][1] = 1
		}, []string{"invalid UTF-8"}},
		"accents": {func(in *Input, e *Evidence) {
			in.Golden.Texts[40].Bytes = []byte("é")
			e.Raw.IDs[40][1] = 1
		}, []string{"beyond ASCII"}},
		"special literals": {func(in *Input, e *Evidence) {
			in.Golden.Texts[40].Bytes = []byte("a [mask]")
			e.Raw.IDs[40][1] = 1
		}, []string{"square brackets"}},
		"nothing in common": {func(_ *Input, e *Evidence) { e.Raw.IDs[1][1], e.Raw.IDs[41][1] = 1, 1 }, []string{"Compare the candidate's tokenizer.json"}},
	} {
		row := judged(t, c.spoil)
		assert.Equal(t, []string{"FAIL tokens/ids"}, failures(row), name)
		for _, want := range c.want {
			assert.Contains(t, item(t, row, "tokens", "ids").Next, want, name)
		}
	}
}

func TestParityFailuresSayWhichTextsAndWhy(t *testing.T) {
	scale := func(e *Evidence, by float32, rows ...int) {
		for i := range e.Raw.Primary {
			if len(rows) == 0 || i/24 == rows[0] {
				e.Raw.Primary[i] *= by
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(e *Evidence)
		item  string
		want  []string
	}{
		"normalisation left out": {func(e *Evidence) { scale(e, 3) }, "norm error", []string{"All 56 texts are off", "normalisation was left out"}},
		"rounding without normalisation": {func(e *Evidence) {
			for i := range e.Raw.Primary {
				if i/24 == 3 { // across by 1.2e-3, along by 1e-3
					e.Raw.Primary[i] *= 1 + 1e-3
				}
			}
			e.Raw.Primary[3*24] += 1.2e-3
		}, "norm error", []string{"which is rounding", "raise norm for this class"}},
		"one text turned around": {func(e *Evidence) { scale(e, -1, 41) }, "min cosine", []string{`text "blank-1" (group "blank", 4 tokens)`, `1 of 56 texts are off, all in group "blank"`, "look at what the wrong ones have in common"}},
		"a coarse provider":      {func(e *Evidence) { e.Raw.Primary[100] += 2e-5 }, "max abs error", []string{`"everyday-04"`, "rounds more coarsely"}},
		"other weights": {func(e *Evidence) {
			r := rand.New(rand.NewPCG(1, 1))
			for i := range e.Raw.Primary {
				e.Raw.Primary[i] = float32(r.NormFloat64())
			}
		}, "Spearman", []string{"Most directions are far off"}},
		"a disturbed weight": {func(e *Evidence) {
			for i := range e.Raw.Primary {
				if i%24 == 3 {
					e.Raw.Primary[i] += 1e-2
				}
			}
		}, "min cosine", []string{"slightly off: a weight was disturbed"}},
		"a NaN":         {func(e *Evidence) { e.Raw.Primary[24] = nan32() }, "vectors", []string{`Component 0 of text "everyday-01"`, "NaN"}},
		"a wrong shape": {func(e *Evidence) { e.Raw.Dim = 12 }, "vectors", []string{"one vector of 24 numbers"}},
	} {
		row := judged(t, func(_ *Input, e *Evidence) {
			c.spoil(e)
			for i := range e.Raw.Invariance { // the company agrees, so that parity alone fails
				if len(e.Raw.Primary) == len(e.Raw.Invariance[i].Vecs) {
					e.Raw.Invariance[i].Vecs = append([]float32(nil), e.Raw.Primary...)
				}
			}
		})
		f := item(t, row, "parity", c.item)
		assert.Equal(t, Fail, f.Result, name)
		for _, want := range c.want {
			assert.Contains(t, f.Next, want, name)
		}
	}
}

func nan32() float32 { var z float32; return z / z }

func TestRankingForgivesTiesAndRoundingAndNothingElse(t *testing.T) {
	r, err := newReference(smallGolden())
	require.NoError(t, err)
	exact := parityOf(r, narrow(r.vecs), 5)
	assert.Equal(t, 1.0, exact.neighbours)
	assert.InDelta(t, 1, exact.spearman, 1e-6)
	assert.Equal(t, len(r.pairs), exact.ordersKept)

	// The size of float32 noise after a whole model: copies of a vector are no
	// longer equal, and their order is chance.
	rnd := rand.New(rand.NewPCG(2, 2))
	noisy := narrow(r.vecs)
	for i := range noisy {
		noisy[i] += float32(3e-7 * rnd.NormFloat64())
	}
	f := parityOf(r, noisy, 5)
	assert.Equal(t, 1.0, f.neighbours)
	assert.Greater(t, f.spearman, 0.99999)
	assert.Equal(t, len(r.pairs), f.ordersKept)

	coarse := narrow(r.vecs)
	for i := range coarse {
		coarse[i] += float32(3e-2 * rnd.NormFloat64())
	}
	f = parityOf(r, coarse, 5)
	assert.Less(t, f.neighbours, 0.97)
	assert.GreaterOrEqual(t, f.neighbour, 0)

	// One vector for every text agrees with nothing.
	same := make([]float32, len(r.vecs))
	for i := range same {
		same[i] = 0.2
	}
	f = parityOf(r, same, 5)
	assert.Zero(t, f.spearman)
	assert.Less(t, f.neighbours, 0.5)
	assert.Zero(t, f.ordersKept, "equally near is not nearer")
}

func TestAModelThatDoesNotNormaliseIsComparedAsItIs(t *testing.T) {
	in := smallInput(t)
	in.Golden.Normalize, in.Candidate.Manifest.Embedding.Normalize = false, false
	in.Policy.Parity[candidate.FP32] = in.Policy.Parity[candidate.INT8]
	in.Evidence = []Evidence{evidenceFor(t, in, "cpu", "fp32")}
	assert.Equal(t, Pass, gate(t, in).Result)
	in.Evidence[0].Raw.Primary[0] *= 1.5
	assert.Equal(t, Fail, gate(t, in).Result)
}

func TestRankingCasesAreOnesThatTheGoldenDecides(t *testing.T) {
	g := smallGolden()
	r, err := newReference(g)
	require.NoError(t, err)
	assert.Len(t, r.pairs, 4)
	for i, text := range g.Texts {
		if text.Role == "near-miss" { // as near as the paraphrase: undecided
			copy(g.Pooled[i*g.Dim:(i+1)*g.Dim], g.Pooled[(i-1)*g.Dim:i*g.Dim])
		}
	}
	r, err = newReference(g)
	require.NoError(t, err)
	assert.Empty(t, r.pairs)
}

func TestInvarianceNamesTheTextAndTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		spoil         func(e *Evidence)
		item          string
		measured, why string
	}{
		"padding leaks":           {func(e *Evidence) { run(e, "padded").Vecs[24*3+1] += 1e-4 }, "padded", "1.00e-04", `"everyday-03"`},
		"a shared buffer":         {func(e *Evidence) { run(e, "concurrent").Vecs[0] = nan32() }, "concurrent", "NaN", "disturb each other"},
		"a row of another golden": {func(e *Evidence) { run(e, "position").Rows[0] = 56 }, "position", "row 56 of 56 texts", "Measure again"},
		"a negative row":          {func(e *Evidence) { run(e, "position").Rows[0] = -1 }, "position", "row -1", "Measure again"},
		"too few vectors":         {func(e *Evidence) { r := run(e, "padded"); r.Vecs = r.Vecs[1:] }, "padded", "1343 values for 56 rows", "Measure again"},
		"a batch without all":     {func(e *Evidence) { r := run(e, "batch-32"); r.Rows[0] = 1 }, "batch-32", "55 different texts, wanted 56", "Measure again"},
		"nobody in the run":       {func(e *Evidence) { r := run(e, "padded"); r.Rows, r.Vecs = nil, nil }, "padded", "0 different texts, wanted 16", "Measure again"},
		"a run twice":             {func(e *Evidence) { e.Raw.Invariance = append(e.Raw.Invariance, *run(e, "padded")) }, "padded", "2 runs", "Measure again"},
		"a way nobody asked about": {func(e *Evidence) {
			r := *run(e, "padded")
			r.Name = "extra"
			r.Rows = nil
			e.Raw.Invariance = append(e.Raw.Invariance, r)
		}, "extra", "1344 values for 0 rows", "Measure again"},
	} {
		row := judged(t, func(_ *Input, e *Evidence) { c.spoil(e) })
		assert.Equal(t, []string{"FAIL invariance/" + c.item}, failures(row), name)
		f := item(t, row, "invariance", c.item)
		assert.Contains(t, f.Measured, c.measured, name)
		assert.Contains(t, f.Next, c.why, name)
	}
}

func run(e *Evidence, name string) *InvarianceRun {
	for i := range e.Raw.Invariance {
		if e.Raw.Invariance[i].Name == name {
			return &e.Raw.Invariance[i]
		}
	}
	return nil
}

func TestLatencyAnswersSayHowSureAndWhatToDo(t *testing.T) {
	at16 := func(e *Evidence, ns func(launch, i int) int64) {
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
		spoil      func(e *Evidence)
		want       Result
		measured   string
		sure, next string
		warning    string
	}{
		"well within": {func(e *Evidence) { at16(e, func(_, i int) int64 { return 2 * ms }) }, Pass, "2.00 ms", "k=0 of n=300 over, P=2.1e-07 ≤ 0.01", "", ""},
		"a few spikes": {func(e *Evidence) {
			at16(e, func(_, i int) int64 {
				if i%50 == 7 {
					return 30 * ms
				}
				return 2 * ms
			})
		}, Pass, "2.00 ms", "k=6 of n=300", "", ""},
		"too near to tell": {func(e *Evidence) {
			at16(e, func(_, i int) int64 {
				if i%20 == 7 {
					return 30 * ms
				}
				return 2 * ms
			})
		}, Inconclusive, "2.00 ms", "k=15 of n=300", "lies too near", ""},
		"over":                      {func(e *Evidence) { at16(e, func(_, i int) int64 { return 21 * ms }) }, Fail, "21.00 ms", "k=300 of n=300", "over its budget of 20ms", ""},
		"drifting up to the budget": {func(e *Evidence) { at16(e, func(_, i int) int64 { return 17*ms + int64(i)*29000 }) }, Inconclusive, "19.73 ms", "independent ones", "move slowly together", "depend on each other"},
		"a noisy machine near the budget": {func(e *Evidence) {
			at16(e, func(_, i int) int64 { return 18 * ms })
			for k := range e.Latency {
				e.Latency[k].StealTicks = 300
			}
		}, Inconclusive, "18.00 ms", "k=0", "would pass on a quiet machine", "30.0 % of the time was stolen"},
		"a noisy machine far from the budget": {func(e *Evidence) {
			at16(e, func(_, i int) int64 { return 2 * ms })
			for k := range e.Latency {
				for i := range e.Latency[k].CalibrationNS {
					e.Latency[k].CalibrationNS[i] += int64(i%2) * 1e6
				}
			}
		}, Pass, "2.00 ms", "k=0", "", "p90 is 2.00 × its median"},
		"a noisy machine over the budget": {func(e *Evidence) {
			at16(e, func(_, i int) int64 { return 30 * ms })
			for k := range e.Latency {
				e.Latency[k].StealTicks = 900
			}
		}, Fail, "30.00 ms", "k=300", "chance is ruled out. Make the model faster here (fewer threads in contention, another variant or provider), or change the promise in policy.yaml. The machine was unsteady", "stolen"},
		"no calibration": {func(e *Evidence) {
			for k := range e.Latency {
				e.Latency[k].CalibrationNS = nil
			}
		}, Inconclusive, "2.00 ms", "k=0", "quiet machine", "fewer than 8 times"},
	} {
		row := judged(t, func(_ *Input, e *Evidence) { c.spoil(e) })
		f := item(t, row, "latency", "16 tokens p95")
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
	row := judged(t, func(_ *Input, e *Evidence) {
		for k := range e.Latency {
			if e.Latency[k].Tokens == 256 {
				for i := range e.Latency[k].SamplesNS {
					e.Latency[k].SamplesNS[i] = int64(time.Second)
				}
			}
		}
	})
	f := item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, Reported, f.Result)
	assert.Equal(t, "1000.00 ms", f.Measured)
	assert.Equal(t, Pass, row.Result)
}

func TestALengthThatAnotherChannelGatesIsReportedAndSaidToBeOver(t *testing.T) {
	in := smallInput(t)
	in.Policy.Latency.Budgets[1].Channels = []string{"release"}
	slow := int64(30 * time.Millisecond)
	for i := range in.Evidence[0].Latency {
		if r := &in.Evidence[0].Latency[i]; r.Tokens > 16 {
			r.SamplesNS = repeat(slow, len(r.SamplesNS))
		}
	}
	v := gate(t, in)
	row := rowOf(t, v, "cpu", "fp32")
	require.Equal(t, Pass, row.Result, "%v", failures(row))
	f := item(t, row, "latency", "128 tokens p95")
	assert.Equal(t, Reported, f.Result)
	assert.Equal(t, "none (< 20.00 ms in channel release)", f.Threshold)
	assert.Contains(t, f.Warnings, "over 20.00 ms on this machine: its budget in channel release")
	f = item(t, row, "latency", "256 tokens p95")
	assert.Equal(t, "none (< 20.00 ms for int8)", f.Threshold)
	assert.Empty(t, f.Warnings, "it gates fp32 nowhere")

	in.Channel = "release"
	row = rowOf(t, gate(t, in), "cpu", "fp32")
	assert.Equal(t, []string{"FAIL latency/128 tokens p95"}, failures(row), "the same evidence fails where the line gates")
}

func TestColdStartAndMemoryAreJudgedByTheWorstLaunch(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) {
		e.Cold[1].FromStartNS = int64(6 * time.Second)
		e.Memory[3].RSS = 700 << 20
	})
	assert.Equal(t, []string{"FAIL cold-start/slowest launch", "FAIL memory/largest process"}, failures(row))
	assert.Equal(t, "6000.00 ms", item(t, row, "cold-start", "slowest launch").Measured)
	assert.Contains(t, item(t, row, "cold-start", "slowest launch").Next, "Launch 2")
	assert.Equal(t, "700.0 MiB", item(t, row, "memory", "largest process").Measured)
}

func TestIncompleteOrImpossibleMeasurementsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil      func(in *Input, e *Evidence)
		item, want string
	}{
		"another plan":            {func(_ *Input, e *Evidence) { e.Plan.Samples = 30 }, "plan", "planned 30 samples over 3 launches"},
		"other lengths planned":   {func(_ *Input, e *Evidence) { e.Plan.Points = e.Plan.Points[1:] }, "plan", "other lengths"},
		"a length planned twice":  {func(_ *Input, e *Evidence) { e.Plan.Points[1] = e.Plan.Points[0] }, "plan", "other lengths"},
		"a length nobody planned": {func(_ *Input, e *Evidence) { r := e.Latency[0]; r.Tokens = 8; e.Latency = append(e.Latency, r) }, "plan", "8 tokens, which the policy does not name"},
		"a launch too many":       {func(_ *Input, e *Evidence) { r := e.Latency[0]; r.Launch = 4; e.Latency = append(e.Latency, r) }, "plan", "launch 4 of 3"},
		"samples moved to another launch": {func(_ *Input, e *Evidence) {
			e.Latency[0].SamplesNS = e.Latency[0].SamplesNS[:50]
			e.Latency[3].SamplesNS = repeat(1, 150)
		}, "plan", "50 samples in launch 1, an equal share is 100"},
		"a cold start missing":             {func(_ *Input, e *Evidence) { e.Cold = e.Cold[1:] }, "plan", "cold start of launch 1 is missing"},
		"a cold start twice":               {func(_ *Input, e *Evidence) { e.Cold = append(e.Cold, e.Cold[0]) }, "plan", "a launch is there twice"},
		"a memory peak missing":            {func(_ *Input, e *Evidence) { e.Memory = e.Memory[1:] }, "plan", "memory of launch 1 is missing"},
		"a sample of zero":                 {func(_ *Input, e *Evidence) { e.Latency[0].SamplesNS[3] = 0 }, "numbers", "sample 3 lasts 0 ns"},
		"a calibration of zero":            {func(_ *Input, e *Evidence) { e.Latency[0].CalibrationNS[3] = 0 }, "numbers", "calibration 3"},
		"more stolen than there was":       {func(_ *Input, e *Evidence) { e.Latency[0].StealTicks = 2000 }, "numbers", "2000 of 1000 ticks"},
		"stolen less than unknown":         {func(_ *Input, e *Evidence) { e.Latency[0].StealTicks = -2 }, "numbers", "-2 of 1000"},
		"a cold start of nothing":          {func(_ *Input, e *Evidence) { e.Cold[0].LoadNS = 0 }, "numbers", "0 ns to load"},
		"a process without memory":         {func(_ *Input, e *Evidence) { e.Memory[0].RSS = 0 }, "numbers", "0 bytes"},
		"more useful tokens than computed": {func(_ *Input, e *Evidence) { e.Computed = 1 }, "numbers", "useful tokens of 1 computed"},
		"a source that is not pinned":      {func(in *Input, _ *Evidence) { in.Candidate.Manifest.Source.Files["evil.json"] = "1" }, "source", "evil.json is sha256 1, and the policy pins none"},
		"no weights in the candidate":      {func(in *Input, _ *Evidence) { delete(in.Candidate.Manifest.Source.Files, "model.safetensors") }, "source", "no source of this candidate"},
		"another tokenizer file": {func(in *Input, _ *Evidence) {
			in.Candidate.Manifest.Source.Files["tokenizer.json"] = "1"
			in.Policy.Model.Files["tokenizer.json"] = "1"
		}, "source", "tokenizer.json is sha256 1"},
		"normalisation configured away":     {func(in *Input, _ *Evidence) { in.Candidate.Manifest.Embedding.Normalize = false }, "embedding", "normalisation is false"},
		"another token limit":               {func(in *Input, _ *Evidence) { in.Candidate.Manifest.Embedding.MaxTokens = 128 }, "embedding", "max tokens is 128"},
		"another dimension":                 {func(in *Input, _ *Evidence) { in.Candidate.Manifest.Embedding.Dimension = 12 }, "embedding", "dimension is 12"},
		"another model":                     {func(in *Input, _ *Evidence) { in.Candidate.Manifest.Model = "big" }, "embedding", `the model is "big"`},
		"a variant the candidate lacks":     {func(in *Input, _ *Evidence) { delete(in.Candidate.Manifest.Variants, "fp32") }, "variant", "the candidate has no variant"},
		"vectors without a digest":          {func(_ *Input, e *Evidence) { e.VectorsSHA256 = "" }, "binding", "vectors are sha256 self-test"},
		"measurements in an unmeasured one": {func(_ *Input, e *Evidence) { e.NotMeasured = &NotMeasured{Reason: "x"} }, "binding", "says that nothing was measured"},
	} {
		row := judged(t, c.spoil)
		f := item(t, row, "integrity", c.item)
		assert.Equal(t, Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.want, name)
		assert.NotEmpty(t, f.Next, name)
		assert.Equal(t, Fail, row.Result, name)
	}
}
