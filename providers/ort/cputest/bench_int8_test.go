package cputest

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/ort/internal/benchtest"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// What int8 must reach over the whole golden corpus, on which nothing was
// calibrated, whatever the processor: its integers are the same on all.
const (
	int8MinCosine  = 0.992
	int8MeanCosine = 0.9985
	int8Top10      = 0.955
)

// BenchmarkInt8OverFP32 compares the release's int8 variant with its fp32 one,
// one thread each, nothing spinning, run by run in the order ABBA; and int8's
// vectors with the float64 model's. Bars: ratio-16 ≤ 0.52, ratio-128 ≤ 0.60,
// ratio-256 ≤ 0.66; with VNNI ratio-16 ≤ 0.45, ratio-128 ≤ 0.52, which are
// reported as vnni-ratio-16 and vnni-ratio-128 too; MB ≤ 25; and the parity
// above.
func BenchmarkInt8OverFP32(b *testing.B) {
	r := openReal(b)
	r.candidate = exporttest.CandidateWith(b, exporttest.Variants()...)
	off := false
	open := func(name string) *ort.Session {
		c := r.config(b)
		c.Model = variantOf(r.candidate, name)
		c.Options = providers.Options{Threads: 1, Spinning: &off}
		return mustOpen(b, c)
	}
	int8, fp32 := open("int8"), open("fp32")
	for _, n := range []int{16, 128, 256} {
		x, y := repeated(b, int8, n), repeated(b, fp32, n)
		benchtest.Alternate(10, x, y)
		var xs, ys []time.Duration
		for range b.N {
			as, bs := benchtest.Alternate(100, x, y) // a median wants many
			xs, ys = append(xs, as...), append(ys, bs...)
		}
		ratio := float64(benchtest.Median(xs)) / float64(benchtest.Median(ys))
		b.ReportMetric(ratio, fmt.Sprint("ratio-", n))
		if cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI {
			b.ReportMetric(ratio, fmt.Sprint("vnni-ratio-", n))
		}
		b.ReportMetric(float64(benchtest.Median(xs))/1e6, fmt.Sprintf("int8-ms-%d", n))
	}
	b.ReportMetric(float64(r.candidate.Manifest.Files["int8.onnx"].Bytes)/1e6, "MB")
	cosines, top := int8Parity(b, r, int8, 1)
	b.ReportMetric(slices.Min(cosines), "min-cosine")
	b.ReportMetric(mean(cosines), "mean-cosine")
	b.ReportMetric(top, "top10")
}

// TestInt8IsWithinItsClass is the same without the time and by every fourth
// text, through this package. The scripts' tests do the whole corpus with the
// same library.
func TestInt8IsWithinItsClass(t *testing.T) {
	r := openReal(t)
	r.candidate = exporttest.CandidateWith(t, exporttest.Variants()...)
	c := r.config(t)
	c.Model = variantOf(r.candidate, "int8")
	cosines, top := int8Parity(t, r, mustOpen(t, c), 4)
	require.Greater(t, len(cosines), 90)
	t.Logf("min cosine %.5f, mean %.5f, top-10 agreement %.4f", slices.Min(cosines), mean(cosines), top)
	require.GreaterOrEqual(t, slices.Min(cosines), int8MinCosine)
	require.GreaterOrEqual(t, mean(cosines), int8MeanCosine)
	require.GreaterOrEqual(t, top, int8Top10)
	require.LessOrEqual(t, r.candidate.Manifest.Files["int8.onnx"].Bytes, int64(25e6))
}

// int8Parity compares every nth golden text's vector with the float64 model's.
func int8Parity(t testing.TB, r real, s *ort.Session, nth int) (cosines []float64, top10 float64) {
	t.Helper()
	e := providers.NewEmbedder(r.tokenizer, s)
	var got, want [][]float64
	for i := 0; i < len(r.texts); i += nth {
		v, err := e.EmbedOne(background, r.texts[i], nil)
		require.NoError(t, err)
		x, y := modeltest.Unit(modeltest.Float64s(v)), modeltest.Unit(r.golden.Embedding(i))
		got, want, cosines = append(got, x), append(want, y), append(cosines, dot(x, y))
	}
	return cosines, sharedNeighbours(got, want, 10)
}

// sharedNeighbours is the mean share of each vector's k nearest that are, by
// want, as near as its own k-th. Equally far ones may stand for each other.
func sharedNeighbours(got, want [][]float64, k int) float64 {
	const equal = 1e-7 // what float32 cannot tell apart
	share := 0.0
	for i := range got {
		near := make([]float64, len(got)) // to i, by got
		right := make([]float64, len(got))
		var others []int
		for j := range got {
			near[j], right[j] = dot(got[i], got[j]), dot(want[i], want[j])
			if j != i {
				others = append(others, j)
			}
		}
		nearest := func(to []float64) []int {
			s := slices.Clone(others)
			slices.SortStableFunc(s, func(a, b int) int { return cmp.Compare(to[b], to[a]) })
			return s[:k]
		}
		kth := right[nearest(right)[k-1]]
		for _, j := range nearest(near) {
			if right[j] >= kth-equal {
				share += 1 / float64(k)
			}
		}
	}
	return share / float64(len(got))
}

func variantOf(c candidate.Candidate, name string) string {
	return filepath.Join(c.Dir, c.Manifest.Variants[name].File)
}

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func mean(v []float64) (m float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	return m
}
