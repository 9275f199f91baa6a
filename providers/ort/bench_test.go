package ort

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// Times are reported as ratios of things timed alternately in one run: a
// machine that slows down slows both.

func median[T ~int64 | ~float64](v []T) T {
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// alternate times a and b in the order ABBA…, n times each.
func alternate(n int, a, b func()) (as, bs []time.Duration) {
	return alternated(n, func() time.Duration { return timed(a) }, func() time.Duration { return timed(b) })
}

// alternated is alternate for what holds the clock itself.
func alternated(n int, a, b func() time.Duration) (as, bs []time.Duration) {
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

// sixteen is a text of 16 tokens, [CLS] and [SEP] included.
const sixteen = "the quick brown fox jumps over the lazy dog while the sun shines"

// threads are the thread counts that are compared: what a user gets, and one,
// which says the same with less noise on a machine that has other work.
var threads = []struct {
	name string
	n    int
}{{"all-cores", 0}, {"one-thread", 1}}

// BenchmarkTextToVector compares text → vector with the bare Run of the same
// ids on the same session. Bars: p50-ratio ≤ 1.03, overhead-µs ≤ 30,
// extra-allocs ≤ 5.
//
// The same tokens are made before a bare Run, too, with the clock stopped, and
// the median of several sessions counts: on virtual machines a Run on several
// threads takes up to a third longer after a pause of 5 µs than after none,
// whatever filled it, in some sessions and not in others. The hypervisor takes
// the core of a thread that spins; no program calls Run without a pause.
func BenchmarkTextToVector(b *testing.B) {
	r := openReal(b)
	for _, th := range threads {
		b.Run(th.name, func(b *testing.B) {
			c := r.config(b)
			c.Options.Threads = th.n
			const least = 5 // sessions: one may be in luck
			var all []textCost
			for b.Loop() {
				for range least {
					all = append(all, textToVector(b, r, c))
				}
			}
			middle := func(of func(textCost) float64) float64 {
				var v []float64
				for _, c := range all {
					v = append(v, of(c))
				}
				return median(v)
			}
			b.ReportMetric(middle(func(c textCost) float64 { return float64(c.text) / 1e6 }), "text-ms")
			b.ReportMetric(middle(func(c textCost) float64 { return float64(c.text) / float64(c.bare) }), "p50-ratio")
			b.ReportMetric(middle(func(c textCost) float64 { return float64(c.text-c.bare) / 1e3 }), "overhead-µs")
			b.ReportMetric(middle(func(c textCost) float64 { return c.allocs }), "extra-allocs")
		})
	}
}

// textCost is what one session gave: medians, and allocations beyond Run's.
type textCost struct {
	text, bare time.Duration
	allocs     float64
}

func textToVector(b *testing.B, r real, c Config) textCost {
	s, err := Open(background, c)
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	e := providers.NewEmbedder(r.tokenizer, s)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	out := make([]float32, 0, s.Dim())
	text := func() {
		var err error
		out, err = e.EmbedOne(ctx, sixteen, out[:0])
		require.NoError(b, err)
	}
	for range 20 {
		text()
	}
	held, ok := s.bufs.shapes[shape{1, 16}]
	require.True(b, ok, "the text has 16 tokens")
	var ids []int64
	bare := func() { require.NoError(b, s.model.Run(held.inputs, held.outputs)) }
	timedBare := func() time.Duration {
		ids = r.tokenizer.Append(ids[:0], sixteen, s.MaxTokens())
		return timed(bare)
	}
	timedText := func() time.Duration { return timed(text) }
	texts, bares := alternated(100, timedText, timedBare)
	return textCost{median(texts), median(bares), testing.AllocsPerRun(20, text) - testing.AllocsPerRun(20, bare)}
}

// BenchmarkGoOverhead is the same on a model that costs next to nothing, where
// the difference is not lost in the model's own spread.
func BenchmarkGoOverhead(b *testing.B) {
	s := mustOpen(b, config(b, modeltest.Pooled().Write(b), handEmbedding(candidate.PoolMean, true)))
	e := providers.NewEmbedder(letters{}, s)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	out := make([]float32, 0, s.Dim())
	text := func() { out, _ = e.EmbedOne(ctx, sixteen[:16], out[:0]) }
	text()
	held := s.bufs.shapes[shape{1, 16}]
	bare := func() { _ = s.model.Run(held.inputs, held.outputs) }
	var texts, bares []time.Duration
	for b.Loop() {
		x, y := alternate(2, text, bare)
		texts, bares = append(texts, x...), append(bares, y...)
	}
	b.ReportMetric(float64(median(texts)-median(bares))/1e3, "overhead-µs")
	b.ReportMetric(testing.AllocsPerRun(200, text)-testing.AllocsPerRun(200, bare), "extra-allocs")
}

// BenchmarkReleaseOverPlain compares the release's fp32 model, opened as this
// Package opens it, with a plain dynamo export under ONNX Runtime's defaults,
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

func oneThread(b *testing.B, release, plain *Session) {
	for _, n := range []int{16, 128} {
		x, y := repeated(b, release, n), repeated(b, plain, n)
		alternate(10, x, y)
		var xs, ys []time.Duration
		for range b.N {
			as, bs := alternate(100, x, y) // a median wants many
			xs, ys = append(xs, as...), append(ys, bs...)
		}
		b.ReportMetric(float64(median(xs))/float64(median(ys)), fmt.Sprint("ratio-", n))
	}
}

// repeated runs one row of n tokens on s, again and again.
func repeated(b *testing.B, s *Session, n int) func() {
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

func releaseOverPlain(b *testing.B, release, plain Config) {
	const least = 5 // rounds: one has no median
	lengths := []int{16, 128}
	configs := [2]Config{release, plain}
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
	b.ReportMetric(median(ratios[16]), "ratio-16")
	b.ReportMetric(median(ratios[128]), "ratio-128")
	b.ReportMetric(float64(len(ratios[16])), "rounds")
}

// p50s opens a session, warms it and gives the median of n runs at each length.
func p50s(b *testing.B, c Config, lengths []int, n int) map[int]time.Duration {
	b.Helper()
	s, err := Open(background, c)
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
			samples = append(samples, timed(run))
		}
		p50[length] = median(samples)
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
	b.ReportMetric(st.Ratio(), "useful/computed")
	b.ReportMetric(float64(st.Useful)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}
