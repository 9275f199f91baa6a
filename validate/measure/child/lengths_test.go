package child

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/validate/measure/measuretest"
)

func TestTextsHaveExactlyTheTokensThatWereAskedFor(t *testing.T) {
	tok := measuretest.SmallTok(t)
	corpus := [][]byte{[]byte("The cat, unbelievably, sat on zebra mats: 17 \xff"), []byte("a dog sat on the cat")}
	for n := 2; n < 300; n++ {
		texts, err := textsOf(tok, corpus, n, textsPerPoint)
		require.NoError(t, err)
		require.Len(t, texts, textsPerPoint)
		for _, text := range texts {
			require.Len(t, tok.Append(nil, text, 10*n+10), n, "%q", text)
		}
		again, err := textsOf(tok, corpus, n, textsPerPoint)
		require.NoError(t, err)
		require.Equal(t, texts, again, "every launch measures the same texts")
	}
	texts, err := textsOf(tok, corpus, 16, textsPerPoint)
	require.NoError(t, err)
	assert.NotEqual(t, texts[0], texts[4], "they begin at different words")
}

func TestALengthThatNoTextHasIsRefused(t *testing.T) {
	tok := measuretest.SmallTok(t)
	for _, c := range []struct {
		name, corpus string
		tokens       int
	}{
		{"room for one special token", "the cat", 1},
		{"no words", "17 + 4 = 21", 8},
		{"words of two tokens only", "dogz dogx", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := textsOf(tok, [][]byte{[]byte(c.corpus)}, c.tokens, 2)
			require.Error(t, err)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}
