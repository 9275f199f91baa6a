package child

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// word is a word of the golden corpus and the number of its tokens.
type word struct {
	text   string
	tokens int
}

// longestWord is the largest number of tokens of a word that is used.
const longestWord = 8

// textsOf makes n texts of exactly that many tokens, special ones included, from
// real words of the corpus in their order. Each text begins at another word. So
// "16 tokens" means 16 tokens with the tokenizer's usual work. The same corpus
// gives the same texts.
func textsOf(tok providers.Tokenizer, corpus [][]byte, tokens, n int) ([]string, error) {
	special := len(tok.Append(nil, "", tokens+longestWord))
	words := wordsOf(tok, corpus, special)
	texts := make([]string, n)
	for i := range texts {
		text, ok := textOf(words, i*len(words)/n, tokens-special)
		if got := len(tok.Append(nil, text, tokens+longestWord)); !ok || got != tokens {
			return nil, &fault.Error{Kind: fault.Usage, Thing: fmt.Sprintf("a text of %d tokens", tokens),
				Got:    fmt.Sprintf("%d from the %d words of the golden corpus", got, len(words)),
				Wanted: fmt.Sprintf("exactly %d, %d special ones included", tokens, special),
				Next:   "choose another length in the policy's latency.budgets, or give the golden corpus short common words"}
		}
		texts[i] = text
	}
	return texts, nil
}

// textOf takes words from start on, and continues at the first word after the
// last. It skips words that are too long for the rest. Without a word that fits
// it gives up after two rounds.
func textOf(words []word, start, tokens int) (string, bool) {
	var b strings.Builder
	for skipped := 0; tokens > 0 && skipped < 2*len(words); start++ {
		w := words[start%len(words)]
		if w.tokens > tokens {
			skipped++
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
		tokens, skipped = tokens-w.tokens, 0
	}
	return b.String(), tokens == 0
}

// wordsOf collects the corpus's words, in the order of their first place.
func wordsOf(tok providers.Tokenizer, corpus [][]byte, special int) []word {
	var words []word
	seen := map[string]bool{}
	var ids []int64
	for _, text := range corpus {
		if !utf8.Valid(text) {
			continue
		}
		for _, f := range strings.Fields(string(text)) {
			if seen[f] || strings.ContainsFunc(f, func(r rune) bool { return !unicode.IsLetter(r) }) {
				continue
			}
			seen[f] = true
			ids = tok.Append(ids[:0], f, special+longestWord+1)
			if n := len(ids) - special; n > 0 && n <= longestWord {
				words = append(words, word{f, n})
			}
		}
	}
	return words
}
