package good

import (
	"math"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
)

func Indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func Narrow(v []float64) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = float32(x)
	}
	return n
}

func Repeated(v int64, n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// Vectors is the golden's vectors as the arithmetic of a file of that class
// gives them at its best: a bit and a half less than it can have, off in turns
// of sign.
func Vectors(r *check.Reference, class candidate.Precision) []float32 {
	v := Narrow(r.Vecs)
	for i := range r.Texts {
		row := v[i*r.Dim : (i+1)*r.Dim]
		by := check.Norm(r.Vecs[i*r.Dim:(i+1)*r.Dim]) / math.Sqrt(float64(r.Dim)) * math.Exp2(1.5-check.MaxBits[class])
		for j := range row {
			row[j] += float32(by)
			by = -by
		}
	}
	return v
}

// Below these no number was measured: the shortest text takes longer, and a
// process that has loaded a runtime is larger, on any machine.
const (
	Shortest = 1000 * time.Nanosecond
	Smallest = 1 << 20 // bytes
)
