package infer

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestASymbolicSizeIsComputed(t *testing.T) {
	axes := map[string]int64{"batch": 2, "sequence": 16}
	for dim, want := range map[string]int64{
		"7": 7, "0": 0, "batch": 2, "12*batch": 24, "batch*sequence": 32, "sequence + 1": 17, "2*(sequence - 1)": 30,
		"sequence//3": 5, " batch ": 2, "batch*12*sequence + 4": 388,
		"-1": Unknown, "": Unknown, "?": Unknown, "other": Unknown, "2*other": Unknown, "batch +": Unknown, "batch batch": Unknown,
		"(batch": Unknown, "batch)": Unknown, "Max(1, batch)": Unknown, "batch - 3": Unknown, "batch//0": Unknown, "1 - 9": Unknown,
		"9223372036854775807 + 1": Unknown, "9223372036854775807*2": Unknown, "4611686018427387904*2": Unknown,
		strings.Repeat("(", 10000):                                Unknown,
		strings.Repeat("(", 100) + "2" + strings.Repeat(")", 100): Unknown,
	} {
		assert.Equal(t, want, parseSize(dim, axes), "%.40q", dim)
	}
}

func TestArithmeticThatDoesNotFitIsUnknown(t *testing.T) {
	const least = math.MinInt64
	for _, c := range []struct{ got, want int64 }{
		{add(least, least), Unknown}, {add(least, -1), Unknown}, {add(math.MaxInt64, 1), Unknown}, {add(Unknown, 1), Unknown}, {add(-3, 5), 2},
		{sub(0, least), Unknown}, {sub(1, Unknown), Unknown}, {sub(3, 5), -2},
		{mul(least, 1), Unknown}, {mul(least, -1), Unknown}, {mul(1<<32, 1<<32), Unknown}, {mul(-3, 4), -12}, {mul(0, Unknown), Unknown},
		{floorDiv(least, -1), Unknown}, {floorDiv(-7, 2), -4}, {floorDiv(7, -2), -4}, {floorDiv(7, 2), 3}, {floorDiv(1, 0), Unknown},
	} {
		assert.Equal(t, c.want, c.got)
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"12*batch", "(sequence - 1)//2 + batch", "((((", "9223372036854775807*9", "-"} {
		f.Add(s, int64(1), int64(128))
	}
	f.Fuzz(func(t *testing.T, dim string, batch, sequence int64) {
		if n := parseSize(dim, map[string]int64{"batch": sizeOrUnknown(batch), "sequence": sizeOrUnknown(sequence)}); n < 0 && n != Unknown {
			t.Fatalf("%q is %d", dim, n)
		}
	})
}
