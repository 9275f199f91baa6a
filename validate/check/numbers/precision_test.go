package numbers_test

import (
	"math"
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

// throughModel adds the relative error of a model whose vectors have so many
// correct bits.
func throughModel(vecs []float32, bits float64, dim int) {
	r := rand.New(rand.NewPCG(7, 1))
	for i := range vecs {
		row := check.Widen(vecs[i/dim*dim : (i/dim+1)*dim])
		vecs[i] += float32(check.Norm(row) / math.Sqrt(float64(dim)) * math.Exp2(-bits) * r.NormFloat64())
	}
}

func TestArithmeticCoarserThanDeclaredIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		bits float64
		want verdict.Result
		say  string
	}{
		"float32":             {20.8, verdict.Pass, "20.7 bits of 24"},
		"one matrix in fp16":  {13, verdict.Fail, "13.0 bits of 24: declared fp32, computes like float32 in part and TF32, fp16"},
		"TF32 products":       {10.5, verdict.Fail, "10.5 bits of 24: declared fp32, computes like TF32 or fp16"},
		"fp16 throughout":     {9.55, verdict.Fail, "9.5 bits of 24: declared fp32, computes like TF32 or fp16"},
		"bfloat16":            {7.5, verdict.Fail, "7.5 bits of 24: declared fp32, computes like bfloat16"},
		"int8, or wrong ones": {3, verdict.Fail, "3.0 bits of 24: declared fp32, computes like 8-bit integers, or with wrong weights"},
	} {
		row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
			throughModel(e.Raw.Primary, c.bits, e.Raw.Dim)
			for i := range e.Raw.Invariance {
				copy(e.Raw.Invariance[i].Vecs, e.Raw.Primary)
			}
		})
		f := validatetest.Item(t, row, "precision", "correct bits")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.say, name)
		assert.Contains(t, f.Sure, "median text", name)
		assert.InDelta(t, c.bits, row.Bits, 0.2, name)
		if c.want == verdict.Fail {
			assert.NotEmpty(t, f.Next, name)
		}
	}
}

func TestBetterArithmeticThanDeclaredPasses(t *testing.T) {
	in := validatetest.SmallInput(t)
	in.Evidence = []evidence.Evidence{validatetest.EvidenceFor(t, in, "coreml", "int8")}
	f := validatetest.Item(t, validatetest.RowOf(t, gatetest.Gate(t, in), "coreml", "int8"), "precision", "correct bits")
	assert.Equal(t, verdict.Pass, f.Result)
	assert.Equal(t, "15.5 bits of 8", f.Measured)
}

func TestMoreBitsThanTheFileCanHaveAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		provider, variant string
		say               string
	}{
		"the golden as float32":          {"cpu", "fp32", "25.3 bits, and a file of class fp32 has 24 at most"},
		"the golden as an 8-bit model's": {"coreml", "int8", "and a file of class int8 has 17 at most"},
	} {
		in := validatetest.SmallInput(t)
		e := validatetest.EvidenceFor(t, in, c.provider, c.variant)
		e.Raw.Primary = nil
		for i := range in.Golden.Texts {
			e.Raw.Primary = append(e.Raw.Primary, good.Narrow(in.Golden.Embedding(i))...)
		}
		in.Evidence = []evidence.Evidence{e}
		f := validatetest.Item(t, validatetest.RowOf(t, gatetest.Gate(t, in), c.provider, c.variant), "precision", "correct bits")
		assert.Equal(t, verdict.Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.say, name)
		assert.NotEmpty(t, f.Next, name)
	}
	in := validatetest.SmallInput(t)
	in.Foreign = true
	e := validatetest.EvidenceFor(t, in, "coreml", "int8")
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	e.Raw.Primary = good.Vectors(r, candidate.FP32)
	in.Evidence = []evidence.Evidence{e}
	assert.Equal(t, verdict.Pass, validatetest.Item(t, validatetest.RowOf(t, gatetest.Gate(t, in), "coreml", "int8"), "precision", "correct bits").Result,
		"the class of somebody else's file is a guess")
}

func TestAFewCoarseTextsAreEnough(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { throughModel(e.Raw.Primary[:24*6], 10.5, 24) })
	f := validatetest.Item(t, row, "precision", "correct bits")
	assert.Equal(t, verdict.Fail, f.Result)
	assert.Contains(t, f.Next, "Most texts are more precise")
}

func TestCoarseArithmeticInBatchesIsFound(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		throughModel(validatetest.Run(e, "batch-32").Vecs, 10.5, 24)
	})
	f := validatetest.Item(t, row, "precision", "correct bits")
	assert.Equal(t, verdict.Fail, f.Result)
	assert.Contains(t, f.Measured, "in run batch-32: declared fp32, computes like TF32 or fp16")
}
