package tokenize_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/pretrained"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
)

const text19 = "The quick brown fox jumps over the lazy dog, and it sleeps in the sun."

func BenchmarkAppend19(b *testing.B) { benchAppend(b, text19, 19) }

func BenchmarkAppend256(b *testing.B) {
	benchAppend(b, strings.Repeat(text19+" ", 20), limit)
}

func benchAppend(b *testing.B, text string, want int) {
	tok := load(b)
	ids := make([]int64, 0, limit)
	require.Len(b, tok.Append(ids, text, limit), want)
	b.ReportAllocs()
	for b.Loop() {
		ids = tok.Append(ids[:0], text, limit)
	}
}

// BenchmarkReference is no race: it counts the texts whose ids differ from the
// reference's, so that the bars of correctness stand beside those of speed.
// Bars: golden-wrong, fuzz-wrong and code-points-wrong 0.
func BenchmarkReference(b *testing.B) {
	tok := load(b)
	g, ok, err := golden.Builtin(exporttest.Model)
	require.NoError(b, err)
	require.True(b, ok)
	for b.Loop() {
		wrong := 0
		for i, text := range g.Texts {
			if !slices.Equal(g.IDs[i], tok.Append(nil, string(text.Bytes), g.MaxTokens)) {
				wrong++
			}
		}
		b.ReportMetric(float64(wrong), "golden-wrong")
		n, wrong := compare(b, tok, string(official(b)), 20_000, 1)
		require.Equal(b, 20_000, n)
		b.ReportMetric(float64(wrong), "fuzz-wrong")
		different := 0.0
		if codePointSum(tok) != everyCodePoint {
			different = 1
		}
		b.ReportMetric(different, "code-points-wrong")
	}
}

// BenchmarkStockSugarme is what Append replaces, on the text of
// BenchmarkAppend19.
func BenchmarkStockSugarme(b *testing.B) {
	tok := stock(b)
	e, err := tok.EncodeSingle(text19, true)
	require.NoError(b, err)
	require.Len(b, e.Ids, 19)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tok.EncodeSingle(text19, true); err != nil {
			b.Fatal(err)
		}
	}
}

// stock is sugarme's own pipeline, without padding.
func stock(t testing.TB) *tokenizer.Tokenizer {
	tok, err := pretrained.FromReader(bytes.NewReader(official(t)))
	require.NoError(t, err)
	tok.WithPadding(nil)
	return tok
}
