package good

import (
	"math"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
)

// Indices returns 0 to n−1.
func Indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Narrow returns float64 values as float32.
func Narrow(v []float64) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = float32(x)
	}
	return n
}

// Repeated returns n times v.
func Repeated(v int64, n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// Vectors returns the golden's vectors with the smallest error that a file of
// that class has: one and a half bits more than its MaxBits allow, with
// alternating sign.
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

// No measured number is smaller than these: on any machine the shortest text
// takes longer, and a process that has loaded a runtime is larger.
const (
	Shortest = 1000 * time.Nanosecond
	Smallest = 1 << 20 // bytes
)
