// Package tokenize turns text into the token ids that the model was trained
// on: BERT WordPiece, equal id for id to HF's tokenizers. sugarme/tokenizer
// reads the vocabulary; normaliser, pre-tokenizer, special tokens and matching
// are this package's, because sugarme's differ on about half of adversarial
// texts and panic on invalid UTF-8. It must not know models or providers.
package tokenize

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// asciiAction is what the scanner does with an ASCII character under the
// tokenizer's settings.
type asciiAction uint8

const (
	actAppend asciiAction = iota
	actEndWord
	actDrop
	actOwnWord
)

// Tokenizer yields ids only. It may be used from several goroutines at once.
type Tokenizer struct {
	norm          normaliser
	first, cont   map[string]int32 // pieces that begin a word, that continue one
	maxBytes      int              // of the longest piece
	maxRunes      int              // of a word; a longer one is unk
	unk           int32
	cls, sep      int32
	pad           int64
	size          int
	special       []special
	specialStarts [256]bool // first bytes of special tokens
	ascii         [utf8.RuneSelf]struct {
		does  asciiAction
		lower byte
	}
	pool sync.Pool // of *scanner
}

// special is a literal that becomes one id wherever it stands in a text.
type special struct {
	text string
	id   int32
}

// PadID is the id that pads a row.
func (t *Tokenizer) PadID() int64 { return t.pad }

// Append appends the ids of text, [CLS] and [SEP] included, at most limit of
// them; further ids are cut off before [SEP]. A limit below 2 counts as 2.
// Bytes that are not UTF-8 count as U+FFFD.
func (t *Tokenizer) Append(ids []int64, text string, limit int) []int64 {
	s, _ := t.pool.Get().(*scanner)
	if s == nil {
		s = &scanner{normaliser: t.norm, t: t, word: wordPieces}
	}
	s.end = len(ids) + max(limit, 2) - 1
	s.ids = append(ids, int64(t.cls))
	t.splitSpecial(s, text)
	ids = append(s.ids[:min(len(s.ids), s.end)], int64(t.sep))
	s.ids, s.buf = nil, s.buf[:0]
	t.pool.Put(s)
	return ids
}

// splitSpecial splits text at special tokens, leftmost and then longest, before
// anything is normalised, as HF's added vocabulary does.
func (t *Tokenizer) splitSpecial(s *scanner, text string) {
	if len(s.ids) >= s.end {
		return
	}
	from := 0
	for i := 0; i < len(text); i++ {
		if !t.specialStarts[text[i]] {
			continue
		}
		m := t.specialAt(text[i:])
		if m == nil {
			continue
		}
		if !s.scan(text[from:i]) {
			return
		}
		if s.ids = append(s.ids, int64(m.id)); len(s.ids) >= s.end {
			return
		}
		i += len(m.text) - 1
		from = i + 1
	}
	s.scan(text[from:])
}

func (t *Tokenizer) specialAt(text string) (m *special) {
	for i := range t.special {
		if c := &t.special[i]; strings.HasPrefix(text, c.text) && (m == nil || len(c.text) > len(m.text)) {
			m = c
		}
	}
	return m
}

// wordPieces appends the ids of one word: greedy longest match, and unk for a
// word that cannot be matched whole.
func wordPieces(s *scanner, w []byte) bool {
	t := s.t
	if len(w) > t.maxRunes && utf8.RuneCount(w) > t.maxRunes {
		s.ids = append(s.ids, int64(t.unk))
		return len(s.ids) < s.end
	}
	n, m := len(s.ids), t.first
	for len(w) > 0 {
		e := min(len(w), t.maxBytes)
		for ; e > 0; e-- {
			if e < len(w) && !utf8.RuneStart(w[e]) {
				continue
			}
			if id, ok := m[string(w[:e])]; ok {
				s.ids = append(s.ids, int64(id))
				break
			}
		}
		if e == 0 {
			s.ids = append(s.ids[:n], int64(t.unk))
			break
		}
		w, m = w[e:], t.cont
	}
	return len(s.ids) < s.end
}
