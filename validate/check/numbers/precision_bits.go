package numbers

import (
	"math"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/stats"
)

// bitsOf returns how many bits of the vectors' values are correct: the binary
// logarithm of the golden's root mean square divided by the error's. rows are
// the golden texts of the vectors. It is math.Inf(1) where nothing is off.
func bitsOf(r *check.Reference, vecs []float32, rows []int) (all, median float64) {
	var off, size float64
	each := make([]float64, len(rows))
	for k, row := range rows {
		var o, s float64
		for j := range r.Dim {
			want := r.Vecs[row*r.Dim+j]
			d := float64(vecs[k*r.Dim+j]) - want
			o += float64(d * d)
			s += float64(want * want)
		}
		each[k] = bits(o, s)
		off, size = off+o, size+s
	}
	return bits(off, size), stats.Percentile(each, 0.5)
}

// bits returns ½·log₂(size ÷ off), of sums of squares. It is 0 where off is
// NaN, as the error of a NaN is.
func bits(off, size float64) float64 {
	switch {
	case off == 0:
		return math.Inf(1)
	case math.IsNaN(off), size == 0:
		return 0
	}
	return max(math.Log2(size/off)/2, 0)
}

// A band is the range of correct bits that one kind of arithmetic has after a
// whole model. It begins at atLeast.
type band struct {
	atLeast float64
	name    string
}

// bands are in falling order; docs/checks.md has the measurements that they lie
// between. all-MiniLM-L6-v2 has 20.8 bits in float32, 15.5 with 15-bit
// products, 13.0 with one of its 36 matrices in fp16, 10.0 to 10.5 with
// products or weights in TF32 or fp16, 9.6 in fp16 throughout, 7.1 to 7.6 with
// products or weights in bfloat16, 6.6 throughout, 4.5 in the exported int8 and
// 3.0 in plain int8.
var bands = []band{
	{17, "float32"},
	{11.75, "float32 in part and TF32, fp16 or split bfloat16 in the rest"},
	{8.5, "TF32 or fp16"},
	{5.5, "bfloat16"},
	{0, "8-bit integers, or with wrong weights"},
}

func bandOf(bits float64) band {
	i := slices.IndexFunc(bands, func(b band) bool { return bits >= b.atLeast })
	return bands[max(i, 0)]
}

// minBits is the number of correct bits that a class promises. Integer
// arithmetic has no mantissa: its minimum is that of a mean cosine of 0.99,
// ½·log₂(1 ÷ (2·(1 − 0.99))).
var minBits = map[candidate.Precision]float64{
	candidate.FP32: 17, candidate.FP32GPU: 17, candidate.TF32: 8.5, candidate.FP16: 8.5, candidate.INT8: 2.8,
}

// mantissas are the bits of mantissa that a class stores, the hidden bit
// included.
var mantissas = map[candidate.Precision]int{
	candidate.FP32: 24, candidate.FP32GPU: 24, candidate.TF32: 11, candidate.FP16: 11, candidate.INT8: 8,
}
