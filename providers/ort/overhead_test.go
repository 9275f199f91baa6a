package ort

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/benchtest"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
	"github.com/embedgate/embedgate/providers/tokenize"
)

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
				return benchtest.Median(v)
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
		return benchtest.Timed(bare)
	}
	timedText := func() time.Duration { return benchtest.Timed(text) }
	texts, bares := benchtest.AlternateTimed(100, timedText, timedBare)
	return textCost{benchtest.Median(texts), benchtest.Median(bares), testing.AllocsPerRun(20, text) - testing.AllocsPerRun(20, bare)}
}

// BenchmarkGoOverhead is the same on a model that costs next to nothing, where
// the difference is not lost in the model's own spread.
func BenchmarkGoOverhead(b *testing.B) {
	s := mustOpen(b, config(b, modeltest.Pooled().Write(b), modeltest.Embedding(candidate.PoolMean, true)))
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
		x, y := benchtest.Alternate(2, text, bare)
		texts, bares = append(texts, x...), append(bares, y...)
	}
	b.ReportMetric(float64(benchtest.Median(texts)-benchtest.Median(bares))/1e3, "overhead-µs")
	b.ReportMetric(testing.AllocsPerRun(200, text)-testing.AllocsPerRun(200, bare), "extra-allocs")
}

func TestATextCostsFewAllocationsOverTheBareRun(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, true))
	s := mustOpen(t, c)
	e := providers.NewEmbedder(letters{}, s)
	ctx, cancel := context.WithCancel(background) // a context that can end costs more than one that cannot
	defer cancel()
	out := make([]float32, 0, modeltest.Dim)
	over := testing.AllocsPerRun(200, func() {
		var err error
		out, err = e.EmbedOne(ctx, "abcdefgh", out[:0])
		require.NoError(t, err)
	})
	held := s.bufs.shapes[shape{1, 8}]
	require.NotEmpty(t, held.inputs)
	bare := testing.AllocsPerRun(200, func() { require.NoError(t, s.model.Run(held.inputs, held.outputs)) })
	t.Logf("allocations: %v text to vector, %v bare", over, bare)
	assert.LessOrEqual(t, over-bare, 5.0)
}

// letters is a tokenizer for the hand-written models: a byte is a token.
type letters struct{}

func (letters) Append(ids []int64, text string, limit int) []int64 {
	for i := 0; i < min(len(text), limit); i++ {
		ids = append(ids, int64(text[i]%modeltest.Vocab))
	}
	return ids
}

func (letters) PadID() int64 { return 0 }

// real is the default model with its tokenizer.
type real struct {
	candidate candidate.Candidate
	tokenizer *tokenize.Tokenizer
}

func openReal(t testing.TB) real {
	t.Helper()
	if testing.Short() {
		t.Skip("exports a model")
	}
	r := real{candidate: exporttest.Candidate(t)}
	raw, err := os.ReadFile(filepath.Join(r.candidate.Dir, "tokenizer.json"))
	require.NoError(t, err)
	r.tokenizer, err = tokenize.Load(raw)
	require.NoError(t, err)
	return r
}

func (r real) config(t testing.TB) Config {
	return config(t, filepath.Join(r.candidate.Dir, r.candidate.Manifest.Variants["fp32"].File), r.candidate.Manifest.Embedding)
}
