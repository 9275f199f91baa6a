package numbers_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestATokenMismatchNamesTextPositionIdsAndCause(t *testing.T) {
	cut := func(e *evidence.Evidence) {
		for i, ids := range e.Raw.IDs {
			e.Raw.IDs[i] = append(ids[:2:2], 102)
		}
	}
	for name, c := range map[string]struct {
		spoil func(in *check.Input, e *evidence.Evidence)
		want  []string
	}{
		"one id":           {func(_ *check.Input, e *evidence.Evidence) { e.Raw.IDs[7][1] = 100 }, []string{`Text "everyday-07" differs first at position 1`, "got ids [101 100 2006", "wanted [101 1007 2006", "capital letters"}},
		"a truncated text": {func(_ *check.Input, e *evidence.Evidence) { cut(e) }, []string{`Text "everyday-00" differs first at position 2`, "truncation limit is not the model's 32"}},
		"no ids in a text": {func(_ *check.Input, e *evidence.Evidence) { e.Raw.IDs[0] = nil }, []string{"got ids none (0 ids in all)"}},
		"another vocabulary": {func(_ *check.Input, e *evidence.Evidence) {
			for _, ids := range e.Raw.IDs {
				ids[1] += 5
			}
		}, []string{"tokenizer.json is another model's"}},
		"invalid UTF-8": {func(in *check.Input, e *evidence.Evidence) {
			in.Golden.Texts[40].Bytes = []byte("\xff")
			e.Raw.IDs[40][1] = 1
		}, []string{"invalid UTF-8"}},
		"accents": {func(in *check.Input, e *evidence.Evidence) {
			in.Golden.Texts[40].Bytes = []byte("é")
			e.Raw.IDs[40][1] = 1
		}, []string{"beyond ASCII"}},
		"special literals": {func(in *check.Input, e *evidence.Evidence) {
			in.Golden.Texts[40].Bytes = []byte("a [mask]")
			e.Raw.IDs[40][1] = 1
		}, []string{"square brackets"}},
		"nothing in common": {func(_ *check.Input, e *evidence.Evidence) { e.Raw.IDs[1][1], e.Raw.IDs[41][1] = 1, 1 }, []string{"Compare the candidate's tokenizer.json"}},
	} {
		row := gatetest.Judged(t, c.spoil)
		assert.Equal(t, []string{"FAIL tokens/ids"}, validatetest.Failures(row), name)
		for _, want := range c.want {
			assert.Contains(t, validatetest.Item(t, row, "tokens", "ids").Next, want, name)
		}
	}
}

func TestParityFailuresSayWhichTextsAndWhy(t *testing.T) {
	scale := func(e *evidence.Evidence, by float32, rows ...int) {
		for i := range e.Raw.Primary {
			if len(rows) == 0 || i/24 == rows[0] {
				e.Raw.Primary[i] *= by
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(e *evidence.Evidence)
		item  string
		want  []string
	}{
		"normalisation left out": {func(e *evidence.Evidence) { scale(e, 3) }, "norm error", []string{"All 56 texts are off", "normalisation was left out"}},
		"rounding without normalisation": {func(e *evidence.Evidence) {
			for i := range e.Raw.Primary {
				if i/24 == 3 { // across by 1.2e-3, along by 1e-3
					e.Raw.Primary[i] *= 1 + 1e-3
				}
			}
			e.Raw.Primary[3*24] += 1.2e-3
		}, "norm error", []string{"which is rounding", "raise norm for this class"}},
		"one text turned around": {func(e *evidence.Evidence) { scale(e, -1, 41) }, "min cosine", []string{`text "blank-1" (group "blank", 4 tokens)`, `1 of 56 texts are off, all in group "blank"`, "look at what the wrong ones have in common"}},
		"a coarse provider":      {func(e *evidence.Evidence) { e.Raw.Primary[100] += 2e-5 }, "max abs error", []string{`"everyday-04"`, "rounds more coarsely"}},
		"other weights": {func(e *evidence.Evidence) {
			r := rand.New(rand.NewPCG(1, 1))
			for i := range e.Raw.Primary {
				e.Raw.Primary[i] = float32(r.NormFloat64())
			}
		}, "Spearman", []string{"Most directions are far off"}},
		"a disturbed weight": {func(e *evidence.Evidence) {
			for i := range e.Raw.Primary {
				if i%24 == 3 {
					e.Raw.Primary[i] += 1e-2
				}
			}
		}, "min cosine", []string{"slightly off: a weight was disturbed"}},
		"a NaN":         {func(e *evidence.Evidence) { e.Raw.Primary[24] = nan32() }, "vectors", []string{`Component 0 of text "everyday-01"`, "NaN"}},
		"a wrong shape": {func(e *evidence.Evidence) { e.Raw.Dim = 12 }, "vectors", []string{"one vector of 24 numbers"}},
	} {
		row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
			c.spoil(e)
			for i := range e.Raw.Invariance { // the invariance runs agree, so that only parity fails
				if len(e.Raw.Primary) == len(e.Raw.Invariance[i].Vecs) {
					e.Raw.Invariance[i].Vecs = append([]float32(nil), e.Raw.Primary...)
				}
			}
		})
		f := validatetest.Item(t, row, "parity", c.item)
		assert.Equal(t, verdict.Fail, f.Result, name)
		for _, want := range c.want {
			assert.Contains(t, f.Next, want, name)
		}
	}
}

func nan32() float32 { var z float32; return z / z }

func TestRankingForgivesTiesAndRoundingAndNothingElse(t *testing.T) {
	r, err := check.NewReference(validatetest.SmallGolden())
	require.NoError(t, err)
	exact := check.ParityOf(r, good.Narrow(r.Vecs), 5)
	assert.Equal(t, 1.0, exact.Neighbours)
	assert.InDelta(t, 1, exact.Spearman, 1e-6)
	assert.Equal(t, len(r.Pairs), exact.OrdersKept)

	// Noise of the size that float32 has after a whole model: copies of a vector
	// are no longer equal, and their order is random.
	rnd := rand.New(rand.NewPCG(2, 2))
	noisy := good.Narrow(r.Vecs)
	for i := range noisy {
		noisy[i] += float32(3e-7 * rnd.NormFloat64())
	}
	f := check.ParityOf(r, noisy, 5)
	assert.Equal(t, 1.0, f.Neighbours)
	assert.Greater(t, f.Spearman, 0.99999)
	assert.Equal(t, len(r.Pairs), f.OrdersKept)

	coarse := good.Narrow(r.Vecs)
	for i := range coarse {
		coarse[i] += float32(3e-2 * rnd.NormFloat64())
	}
	f = check.ParityOf(r, coarse, 5)
	assert.Less(t, f.Neighbours, 0.97)
	assert.GreaterOrEqual(t, f.WrongNeighbour, 0)

	// The same vector for every text agrees with nothing.
	same := make([]float32, len(r.Vecs))
	for i := range same {
		same[i] = 0.2
	}
	f = check.ParityOf(r, same, 5)
	assert.Zero(t, f.Spearman)
	assert.Less(t, f.Neighbours, 0.5)
	assert.Zero(t, f.OrdersKept, "equally near is not nearer")
}

func TestAModelThatDoesNotNormaliseIsComparedAsItIs(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Golden.Normalize, in.Candidate.Manifest.Embedding.Normalize = false, false
	in.Policy.Parity[candidate.FP32] = in.Policy.Parity[candidate.INT8]
	in.Evidence = []evidence.Evidence{validatetest.EvidenceFor(t, in, "cpu", "fp32")}
	assert.Equal(t, verdict.Pass, gatetest.Gate(t, in).Result)
	in.Evidence[0].Raw.Primary[0] *= 1.5
	assert.Equal(t, verdict.Fail, gatetest.Gate(t, in).Result)
}

func TestRankingCasesAreOnesThatTheGoldenDecides(t *testing.T) {
	g := validatetest.SmallGolden()
	r, err := check.NewReference(g)
	require.NoError(t, err)
	assert.Len(t, r.Pairs, 4)
	for i, text := range g.Texts {
		if text.Role == "near-miss" { // as near as the paraphrase: undecided
			copy(g.Pooled[i*g.Dim:(i+1)*g.Dim], g.Pooled[(i-1)*g.Dim:i*g.Dim])
		}
	}
	r, err = check.NewReference(g)
	require.NoError(t, err)
	assert.Empty(t, r.Pairs)
}

func TestInvarianceNamesTheTextAndTheCause(t *testing.T) {
	for name, c := range map[string]struct {
		spoil         func(e *evidence.Evidence)
		item          string
		measured, why string
	}{
		"padding leaks":           {func(e *evidence.Evidence) { validatetest.Run(e, "padded").Vecs[24*3+1] += 1e-4 }, "padded", "1.00e-04", `"everyday-03"`},
		"a shared buffer":         {func(e *evidence.Evidence) { validatetest.Run(e, "concurrent").Vecs[0] = nan32() }, "concurrent", "NaN", "disturb each other"},
		"a row of another golden": {func(e *evidence.Evidence) { validatetest.Run(e, "position").Rows[0] = 56 }, "position", "row 56 of 56 texts", "Measure again"},
		"a negative row":          {func(e *evidence.Evidence) { validatetest.Run(e, "position").Rows[0] = -1 }, "position", "row -1", "Measure again"},
		"too few vectors":         {func(e *evidence.Evidence) { r := validatetest.Run(e, "padded"); r.Vecs = r.Vecs[1:] }, "padded", "1343 values for 56 rows", "Measure again"},
		"a batch without all":     {func(e *evidence.Evidence) { r := validatetest.Run(e, "batch-32"); r.Rows[0] = 1 }, "batch-32", "55 different texts, wanted 56", "Measure again"},
		"no text in the run":      {func(e *evidence.Evidence) { r := validatetest.Run(e, "padded"); r.Rows, r.Vecs = nil, nil }, "padded", "0 different texts, wanted 16", "Measure again"},
		"a run twice": {func(e *evidence.Evidence) {
			e.Raw.Invariance = append(e.Raw.Invariance, *validatetest.Run(e, "padded"))
		}, "padded", "2 runs", "Measure again"},
		"an unknown run": {func(e *evidence.Evidence) {
			r := *validatetest.Run(e, "padded")
			r.Name = "extra"
			r.Rows = nil
			e.Raw.Invariance = append(e.Raw.Invariance, r)
		}, "extra", "1344 values for 0 rows", "Measure again"},
	} {
		row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { c.spoil(e) })
		assert.Equal(t, []string{"FAIL invariance/" + c.item}, validatetest.Failures(row), name)
		f := validatetest.Item(t, row, "invariance", c.item)
		assert.Contains(t, f.Measured, c.measured, name)
		assert.Contains(t, f.Next, c.why, name)
	}
}
