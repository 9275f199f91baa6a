package validate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
)

// rounded keeps so many bits of a float32's mantissa, the hidden one included.
func rounded(v float32, bits int) float32 {
	cut := 24 - bits
	b := math.Float32bits(v)
	b += 1 << (cut - 1)
	return math.Float32frombits(b &^ (1<<cut - 1))
}

// throughModel gives vectors the relative error of a model whose products have
// so many bits: measured on all-MiniLM-L6-v2, half a bit is lost on the way.
func throughModel(vecs []float32, bits float64, dim int) {
	r := rand.New(rand.NewPCG(7, 1))
	for i := range vecs {
		row := widen(vecs[i/dim*dim : (i/dim+1)*dim])
		vecs[i] += float32(norm(row) / math.Sqrt(float64(dim)) * math.Exp2(-bits) * r.NormFloat64())
	}
}

func TestBitsAreThoseThatAreRight(t *testing.T) {
	r, err := newReference(smallGolden())
	require.NoError(t, err)
	all := indices(len(r.Texts))
	exact, median := bitsOf(r, narrow(r.vecs), all)
	assert.InDelta(t, 25.5, exact, 0.5, "rounding to float32 alone")
	assert.InDelta(t, exact, median, 0.5)
	for _, bits := range []int{8, 11, 16} {
		v := narrow(r.vecs)
		for i := range v {
			v[i] = rounded(v[i], bits)
		}
		got, _ := bitsOf(r, v, all)
		assert.InDelta(t, float64(bits)+1.5, got, 0.5, "values rounded to %d bits", bits)
	}
	v := narrow(r.vecs)
	v[0] = float32(math.NaN())
	got, _ := bitsOf(r, v, all)
	assert.Zero(t, got, "NaN is right in no bit")
	got, _ = bitsOf(r, v[r.Dim:2*r.Dim], []int{1})
	assert.Greater(t, got, 24.0, "rows name their golden text")
}

func TestBandsLieBetweenWhatWasMeasured(t *testing.T) {
	for bits, want := range map[float64]string{
		20.81: "float32",
		15.51: "float32 in part and TF32, fp16 or split bfloat16 in the rest",
		13.04: "float32 in part and TF32, fp16 or split bfloat16 in the rest",
		10.50: "TF32 or fp16", 10.04: "TF32 or fp16", 9.55: "TF32 or fp16",
		7.55: "bfloat16", 7.11: "bfloat16", 6.56: "bfloat16",
		2.95: "8-bit integers, or with wrong weights", 0: "8-bit integers, or with wrong weights",
	} {
		assert.Equal(t, want, bandOf(bits).name, "%v bits", bits)
	}
	for _, c := range candidate.Precisions() {
		assert.NotZero(t, leastBits[c], "%s promises something", c)
		assert.NotZero(t, mantissas[c], c)
	}
}

func TestArithmeticCoarserThanDeclaredIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		bits float64
		want Result
		say  string
	}{
		"float32":             {20.8, Pass, "20.7 bits of 24"},
		"one matrix in fp16":  {13, Fail, "13.0 bits of 24: declared fp32, computes like float32 in part and TF32, fp16"},
		"TF32 products":       {10.5, Fail, "10.5 bits of 24: declared fp32, computes like TF32 or fp16"},
		"fp16 throughout":     {9.55, Fail, "9.5 bits of 24: declared fp32, computes like TF32 or fp16"},
		"bfloat16":            {7.5, Fail, "7.5 bits of 24: declared fp32, computes like bfloat16"},
		"int8, or wrong ones": {3, Fail, "3.0 bits of 24: declared fp32, computes like 8-bit integers, or with wrong weights"},
	} {
		row := judged(t, func(_ *Input, e *Evidence) {
			throughModel(e.Raw.Primary, c.bits, e.Raw.Dim)
			for i := range e.Raw.Invariance {
				copy(e.Raw.Invariance[i].Vecs, e.Raw.Primary)
			}
		})
		f := item(t, row, "precision", "correct bits")
		assert.Equal(t, c.want, f.Result, name)
		assert.Contains(t, f.Measured, c.say, name)
		assert.Contains(t, f.Sure, "median text", name)
		assert.InDelta(t, c.bits, row.Bits, 0.2, name)
		if c.want == Fail {
			assert.NotEmpty(t, f.Next, name)
		}
	}
}

func TestBetterArithmeticThanDeclaredIsFine(t *testing.T) {
	in := smallInput(t)
	in.Evidence = []Evidence{evidenceFor(t, in, "coreml", "int8")}
	f := item(t, rowOf(t, gate(t, in), "coreml", "int8"), "precision", "correct bits")
	assert.Equal(t, Pass, f.Result)
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
		in := smallInput(t)
		e := evidenceFor(t, in, c.provider, c.variant)
		e.Raw.Primary = nil
		for i := range in.Golden.Texts {
			e.Raw.Primary = append(e.Raw.Primary, narrow(in.Golden.Embedding(i))...)
		}
		in.Evidence = []Evidence{e}
		f := item(t, rowOf(t, gate(t, in), c.provider, c.variant), "precision", "correct bits")
		assert.Equal(t, Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.say, name)
		assert.NotEmpty(t, f.Next, name)
	}
	in := smallInput(t)
	in.Foreign = true
	e := evidenceFor(t, in, "coreml", "int8")
	r, err := newReference(in.Golden)
	require.NoError(t, err)
	e.Raw.Primary = computed(r, candidate.FP32)
	in.Evidence = []Evidence{e}
	assert.Equal(t, Pass, item(t, rowOf(t, gate(t, in), "coreml", "int8"), "precision", "correct bits").Result,
		"of somebody else's file the class is a guess")
}

func TestAFewCoarseTextsAreEnough(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) { throughModel(e.Raw.Primary[:24*6], 10.5, 24) })
	f := item(t, row, "precision", "correct bits")
	assert.Equal(t, Fail, f.Result)
	assert.Contains(t, f.Next, "Most texts are more precise")
}

func TestCoarseArithmeticInBatchesIsFound(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) { throughModel(run(e, batchRun).Vecs, 10.5, 24) })
	f := item(t, row, "precision", "correct bits")
	assert.Equal(t, Fail, f.Result)
	assert.Contains(t, f.Measured, "in run batch-32: declared fp32, computes like TF32 or fp16")
}
