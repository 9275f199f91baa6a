package stmodel

import (
	"encoding/json"
	"fmt"
	"io/fs"
)

// tokenizer is what other files of the directory are compared with in
// tokenizer.json.
type tokenizer struct {
	Normalizer  *normalizer `json:"normalizer"`
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
	} `json:"added_tokens"`
	PostProcessor struct {
		Type   string `json:"type"`
		Single []struct {
			Special struct {
				ID string `json:"id"`
			} `json:"SpecialToken"`
		} `json:"single"`
		Tokens map[string]struct {
			IDs []int64 `json:"ids"`
		} `json:"special_tokens"`
		Sep []json.RawMessage `json:"sep"`
		CLS []json.RawMessage `json:"cls"`
	} `json:"post_processor"`
	Padding *struct {
		ID    int64  `json:"pad_id"`
		Token string `json:"pad_token"`
	} `json:"padding"`
	Model struct {
		Type  string          `json:"type"`
		Vocab json.RawMessage `json:"vocab"` // its form is the type's
	} `json:"model"`

	vocab map[string]int64 // of a WordPiece
	added map[string]int64
}

// normalizer is one, or a sequence of them.
type normalizer struct {
	Type    string       `json:"type"`
	Lower   *bool        `json:"lowercase"`
	Strip   *bool        `json:"strip_accents"`
	Chinese *bool        `json:"handle_chinese_chars"`
	Parts   []normalizer `json:"normalizers"`
}

// lowerCases reports whether capitals of a text become small letters. It looks
// at most deep sequences down.
func (n *normalizer) lowerCases(deep int) bool {
	if n == nil || deep == 0 {
		return false
	}
	for i := range n.Parts {
		if n.Type == "Sequence" && n.Parts[i].lowerCases(deep-1) {
			return true
		}
	}
	return n.Type == "Lowercase" || n.Type == "BertNormalizer" && n.Lower != nil && *n.Lower
}

// readTokenizer reads tokenizer.json. A kind of tokenizer that is none of
// BERT's is refused by whatever tokenizes: its vocabulary is not read here.
func readTokenizer(d fs.FS) (t tokenizer, err error) {
	if err := load(d, tokenizerFile, maxTokenizer, &t); err != nil {
		return t, err
	}
	if t.Model.Type == "" || t.Model.Type == wordPiece {
		if err := unmarshal(t.Model.Vocab, &t.vocab); err != nil {
			return t, refuse(tokenizerFile+" model.vocab", jsonFault(err), "an object of pieces and ids", fromRelease)
		}
	}
	t.added = make(map[string]int64, len(t.AddedTokens))
	for _, a := range t.AddedTokens {
		t.added[a.Content] = a.ID
	}
	return t, nil
}

const wordPiece = "WordPiece"

// id is the id of a token, added or of the vocabulary.
func (t *tokenizer) id(token string) (int64, bool) {
	if id, ok := t.added[token]; ok {
		return id, true
	}
	id, ok := t.vocab[token]
	return id, ok
}

// largestID is the largest id, and where it is.
func (t *tokenizer) largestID() (id int64, where string) {
	id = -1
	for piece, n := range t.vocab {
		if n > id || n == id && piece < where {
			id, where = n, piece
		}
	}
	where = fmt.Sprintf("model.vocab, %.40q", where)
	for _, a := range t.AddedTokens {
		if a.ID > id {
			id, where = a.ID, fmt.Sprintf("added_tokens, %.40q", a.Content)
		}
	}
	return id, where
}

// firstAndLast are the tokens that begin and end a text, with their ids; ok is false
// where the post-processor is of a kind that is not known here.
func (t *tokenizer) firstAndLast() (ends [2]token, ok bool) {
	p := t.PostProcessor
	switch {
	case p.Type == "TemplateProcessing" && len(p.Single) == 3:
		for i, at := range []int{0, 2} {
			name := p.Single[at].Special.ID
			ids := p.Tokens[name].IDs
			if len(ids) != 1 {
				return ends, false
			}
			ends[i] = token{name, ids[0]}
		}
		return ends, true
	case p.Type == "BertProcessing":
		for i, pair := range [][]json.RawMessage{p.CLS, p.Sep} {
			if len(pair) != 2 || json.Unmarshal(pair[0], &ends[i].text) != nil || json.Unmarshal(pair[1], &ends[i].id) != nil {
				return ends, false
			}
		}
		return ends, true
	}
	return ends, false
}

type token struct {
	text string
	id   int64
}

// tokenText is a special token as configurations write it: its text, or an
// object with its content.
func tokenText(raw json.RawMessage) (string, bool) {
	if s, ok := text(raw); ok {
		return s, true
	}
	var o struct {
		Content string `json:"content"`
	}
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &o) != nil {
		return "", false
	}
	return o.Content, o.Content != ""
}
