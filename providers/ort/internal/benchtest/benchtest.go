// Package benchtest times two things alternately, for benchmarks that report
// ratios: a machine that slows down slows both. It must not know what is timed.
package benchtest

import (
	"slices"
	"time"
)

// Median is the middle value; of an even number, the upper one.
func Median[T ~int64 | ~float64](v []T) T {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

// Timed is how long f takes.
func Timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// Alternate times a and b in the order ABBA…, n times each.
func Alternate(n int, a, b func()) (as, bs []time.Duration) {
	return AlternateTimed(n, func() time.Duration { return Timed(a) }, func() time.Duration { return Timed(b) })
}

// AlternateTimed is Alternate for functions that take their own time.
func AlternateTimed(n int, a, b func() time.Duration) (as, bs []time.Duration) {
	for i := range n {
		if i%2 == 0 {
			as = append(as, a())
			bs = append(bs, b())
		} else {
			bs = append(bs, b())
			as = append(as, a())
		}
	}
	return as, bs
}
