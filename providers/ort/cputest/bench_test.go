package cputest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/ort/internal/benchtest"
)

// BenchmarkReleaseOverPlain compares the release's fp32 model, opened as this
// package opens it, with a plain dynamo export under ONNX Runtime's defaults,
// same threads. Only one session may spin at a time, so on all cores rounds of
// each alternate; on one thread, where nothing spins, every run does. Bars:
// ratio-16 ≤ 0.94, ratio-128 ≤ 0.94.
func BenchmarkReleaseOverPlain(b *testing.B) {
	r := openReal(b)
	plain := exporttest.PlainCandidate(b)
	release := r.config(b)
	defaults := config(b, variant(plain), plain.Manifest.Embedding)
	on := true // as ONNX Runtime does where nobody says otherwise
	defaults.Options = providers.Options{Spinning: &on, DisabledOptimizers: []string{}}
	b.Run("all-cores", func(b *testing.B) { releaseOverPlain(b, release, defaults) })
	b.Run("one-thread", func(b *testing.B) {
		off := false
		release.Options.Threads = 1
		defaults.Options.Threads, defaults.Options.Spinning = 1, &off
		oneThread(b, mustOpen(b, release), mustOpen(b, defaults))
	})
}

func oneThread(b *testing.B, release, plain *ort.Session) {
	for _, n := range []int{16, 128} {
		x, y := repeated(b, release, n), repeated(b, plain, n)
		benchtest.Alternate(10, x, y)
		var xs, ys []time.Duration
		for range b.N {
			as, bs := benchtest.Alternate(100, x, y) // a median wants many
			xs, ys = append(xs, as...), append(ys, bs...)
		}
		b.ReportMetric(float64(benchtest.Median(xs))/float64(benchtest.Median(ys)), fmt.Sprint("ratio-", n))
	}
}

// repeated runs one row of n tokens on s, again and again.
func repeated(b *testing.B, s *ort.Session, n int) func() {
	out := make([]float32, 0, s.Dim())
	batch := providers.Batch{Rows: 1, Cols: n, IDs: make([]int64, n), Mask: make([]int64, n)}
	for i := range batch.IDs {
		batch.IDs[i], batch.Mask[i] = int64(2000+7*i), 1
	}
	return func() {
		var err error
		out, err = s.Run(background, batch, out[:0])
		require.NoError(b, err)
	}
}

func releaseOverPlain(b *testing.B, release, plain ort.Config) {
	const least = 5 // rounds: one has no median
	lengths := []int{16, 128}
	configs := [2]ort.Config{release, plain}
	ratios := map[int][]float64{}
	for b.Loop() {
		for round := range least {
			var p50 [2]map[int]time.Duration
			for k := range configs {
				at := (k + round) % 2 // who is first alternates
				p50[at] = p50s(b, configs[at], lengths, 40)
			}
			for _, n := range lengths {
				ratios[n] = append(ratios[n], float64(p50[0][n])/float64(p50[1][n]))
			}
		}
	}
	b.ReportMetric(benchtest.Median(ratios[16]), "ratio-16")
	b.ReportMetric(benchtest.Median(ratios[128]), "ratio-128")
	b.ReportMetric(float64(len(ratios[16])), "rounds")
}

// p50s opens a session, warms it and gives the median of n runs at each length.
func p50s(b *testing.B, c ort.Config, lengths []int, n int) map[int]time.Duration {
	b.Helper()
	s, err := ort.Open(background, c)
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	p50 := map[int]time.Duration{}
	for _, length := range lengths {
		run := repeated(b, s, length)
		for range 10 {
			run()
		}
		var samples []time.Duration
		for range n {
			samples = append(samples, benchtest.Timed(run))
		}
		p50[length] = benchtest.Median(samples)
	}
	return p50
}

// BenchmarkGoldenCorpus embeds the golden corpus in batches of 32. Bar:
// useful/computed ≥ 0.97.
func BenchmarkGoldenCorpus(b *testing.B) {
	r := openReal(b)
	e := providers.NewEmbedder(r.tokenizer, mustOpen(b, r.config(b)))
	var st providers.Stats
	for b.Loop() {
		var err error
		_, st, err = e.EmbedStats(background, r.texts, 32)
		require.NoError(b, err)
	}
	b.ReportMetric(usefulShare(st), "useful/computed")
	b.ReportMetric(float64(st.Useful)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// usefulShare is the share of the computed tokens that are no padding.
func usefulShare(s providers.Stats) float64 { return float64(s.Useful) / float64(s.Computed) }
