package numbers

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/validatetest"
)

func TestBitsAreThoseThatAreRight(t *testing.T) {
	r, err := check.NewReference(validatetest.SmallGolden())
	require.NoError(t, err)
	all := good.Indices(len(r.Texts))
	exact, median := bitsOf(r, good.Narrow(r.Vecs), all)
	assert.InDelta(t, 25.5, exact, 0.5, "rounding to float32 alone")
	assert.InDelta(t, exact, median, 0.5)
	for _, bits := range []int{8, 11, 16} {
		v := good.Narrow(r.Vecs)
		for i := range v {
			v[i] = validatetest.Rounded(v[i], bits)
		}
		got, _ := bitsOf(r, v, all)
		assert.InDelta(t, float64(bits)+1.5, got, 0.5, "values rounded to %d bits", bits)
	}
	v := good.Narrow(r.Vecs)
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
		assert.NotZero(t, minBits[c], "%s promises something", c)
		assert.NotZero(t, mantissas[c], c)
	}
}
