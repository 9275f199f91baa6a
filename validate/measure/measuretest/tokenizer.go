package measuretest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/tokenize"
)

// SmallTokenizer is a BERT WordPiece tokenizer of few words and every letter.
func SmallTokenizer(t testing.TB) []byte {
	t.Helper()
	vocab := map[string]int{}
	for _, w := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat", "dog", "##s"} {
		vocab[w] = len(vocab)
	}
	for c := 'a'; c <= 'z'; c++ {
		for _, w := range []string{string(c), "##" + string(c)} {
			if _, ok := vocab[w]; !ok {
				vocab[w] = len(vocab)
			}
		}
	}
	type m = map[string]any
	token := func(id int, s string) m {
		return m{"id": id, "special": true, "content": s, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}
	}
	cls, sep := m{"SpecialToken": m{"id": "[CLS]", "type_id": 0}}, m{"SpecialToken": m{"id": "[SEP]", "type_id": 0}}
	a, b := m{"Sequence": m{"id": "A", "type_id": 0}}, m{"Sequence": m{"id": "B", "type_id": 1}}
	special := func(id int, s string) m { return m{"id": s, "ids": []int{id}, "tokens": []string{s}} }
	doc := m{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens":  []m{token(0, "[PAD]"), token(1, "[UNK]"), token(2, "[CLS]"), token(3, "[SEP]"), token(4, "[MASK]")},
		"normalizer":    m{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true},
		"pre_tokenizer": m{"type": "BertPreTokenizer"},
		"post_processor": m{"type": "TemplateProcessing", "single": []m{cls, a, sep}, "pair": []m{cls, a, sep, b, sep},
			"special_tokens": m{"[CLS]": special(2, "[CLS]"), "[SEP]": special(3, "[SEP]")}},
		"decoder": m{"type": "WordPiece", "prefix": "##", "cleanup": true},
		"model": m{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
			"max_input_chars_per_word": 100, "vocab": vocab},
	}
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	return raw
}

func SmallTok(t testing.TB) providers.Tokenizer {
	t.Helper()
	tok, err := tokenize.Load(SmallTokenizer(t))
	require.NoError(t, err)
	return tok
}
