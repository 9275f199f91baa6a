package tokenize

import "unicode/utf8"

// normaliser is BertNormalizer's settings, with null resolved.
type normaliser struct {
	clean, chinese, strip, lower bool
}

// Hangul syllables decompose by arithmetic (The Unicode Standard, 3.12).
const (
	hangulBase, hangulCount        = 0xac00, 11172
	leadBase, vowelBase, trailBase = 0x1100, 0x1161, 0x11a7
	trailCount, vowelTimesTrail    = 28, 588
)

// scanner passes the words of a text, normalised, to word. Each character is
// dropped, ends a word, is a word of its own, or is appended decomposed and in
// lower case: no step of the normaliser looks at other characters.
type scanner struct {
	normaliser
	buf  []byte
	word func(*scanner, []byte) bool // false: no more words are wanted

	// What word fills.
	t   *Tokenizer
	ids []int64
	end int
}

func (s *scanner) flush() bool {
	if len(s.buf) == 0 {
		return true
	}
	ok := s.word(s, s.buf)
	s.buf = s.buf[:0]
	return ok
}

// emit takes a character as the pre-tokenizer sees it.
func (s *scanner) emit(r rune, f uint8) bool {
	switch {
	case f&isSpace != 0:
		return s.flush()
	case f&isPunct != 0:
		if !s.flush() {
			return false
		}
		s.buf = utf8.AppendRune(s.buf, r)
		return s.flush()
	}
	s.buf = utf8.AppendRune(s.buf, r)
	return true
}

// put takes a character that was cleaned and decomposed.
func (s *scanner) put(r rune) bool {
	f := chars.of(r)
	if s.strip && f&isMark != 0 {
		return true
	}
	if !s.lower || f&changesCase == 0 {
		return s.emit(r, f)
	}
	for _, l := range chars.lower[r] {
		if !s.emit(l, chars.of(l)) {
			return false
		}
	}
	return true
}

// scan reads text and returns false when no more words are wanted. The last
// word is flushed. Bytes that are not UTF-8 count as U+FFFD.
func (s *scanner) scan(text string) bool {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			if !s.ascii(c) {
				return false
			}
			continue
		}
		r, w := utf8.DecodeRuneInString(text[i:])
		i += w
		if !s.char(r) {
			return false
		}
	}
	return s.flush()
}

// ascii is char for the common case, without decomposition.
func (s *scanner) ascii(c byte) bool {
	a := &s.t.ascii[c]
	switch a.does {
	case actAppend:
		s.buf = append(s.buf, a.lower)
		return true
	case actEndWord:
		return s.flush()
	case actDrop:
		return true
	}
	return s.emit(rune(a.lower), isPunct)
}

func (s *scanner) char(r rune) bool {
	f := chars.of(r)
	if s.clean {
		if f&isRemoved != 0 {
			return true
		}
		if f&isToSpace != 0 {
			return s.flush()
		}
	}
	alone := s.chinese && f&isIdeograph != 0
	if alone && !s.flush() {
		return false
	}
	if !s.decomposed(r, f) {
		return false
	}
	return !alone || s.flush()
}

func (s *scanner) decomposed(r rune, f uint8) bool {
	if !s.strip {
		return s.put(r)
	}
	if h := r - hangulBase; h >= 0 && h < hangulCount {
		ok := s.put(leadBase+h/vowelTimesTrail) && s.put(vowelBase+h%vowelTimesTrail/trailCount)
		if t := h % trailCount; ok && t != 0 {
			ok = s.put(trailBase + t)
		}
		return ok
	}
	if f&decomposes == 0 {
		return s.put(r)
	}
	for _, d := range chars.nfd[r] {
		if !s.put(d) {
			return false
		}
	}
	return true
}
