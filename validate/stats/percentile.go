package stats

import (
	"cmp"
	"math"
	"slices"
)

// Percentile returns the nearest-rank percentile: the ⌈q·n⌉-th smallest value,
// for q from 0 to 1. It is always one of the values, never an interpolation. It returns the zero value when there are none.
func Percentile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 {
		var zero T
		return zero
	}
	s := slices.Sorted(slices.Values(values))
	// A product such as 0.95·300 may differ from the whole number by a rounding
	// error.
	r := int(math.Ceil(q*float64(len(s)) - 1e-9))
	return s[min(max(r, 1), len(s))-1]
}
