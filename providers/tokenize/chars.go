package tokenize

import (
	"strings"
	"unicode/utf8"
)

//go:generate python gen/tables.py

// What the steps of BERT's normaliser and pre-tokenizer do with a character;
// several may hold at once.
const (
	isRemoved   uint8 = 1 << iota // clean_text drops it
	isToSpace                     // clean_text makes it a space
	isIdeograph                   // handle_chinese_chars makes it a word of its own
	isMark                        // strip_accents drops it after decomposition
	isSpace                       // the pre-tokenizer ends a word there
	isPunct                       // the pre-tokenizer makes it a word of its own
	decomposes                    // it has a canonical decomposition (Hangul excepted)
	changesCase                   // its lower case differs
)

const pageBits = 8

// charTable is a two-stage table of flags by character, and the two mappings.
type charTable struct {
	page  [(utf8.MaxRune + 1) >> pageBits]uint16
	flags [][1 << pageBits]uint8
	nfd   map[rune]string
	lower map[rune]string
}

// chars is built once from the generated ranges and never changes.
var chars = newCharTable()

func newCharTable() *charTable {
	t := &charTable{flags: make([][1 << pageBits]uint8, 1)} // page 0 is all text
	for flag, ranges := range map[uint8][]rune{
		isRemoved: removedRanges[:], isToSpace: toSpaceRanges[:], isIdeograph: ideographRanges[:],
		isMark: markRanges[:], isSpace: spaceRanges[:], isPunct: punctRanges[:],
	} {
		for i := 0; i < len(ranges); i += 2 {
			for r := ranges[i]; r <= ranges[i+1]; r++ {
				t.set(r, flag)
			}
		}
	}
	t.nfd = t.mapping(decompositions, decomposes)
	t.lower = t.mapping(lowerings, changesCase)
	return t
}

func (t *charTable) set(r rune, flag uint8) {
	p := &t.page[r>>pageBits]
	if *p == 0 {
		*p = uint16(len(t.flags))
		t.flags = append(t.flags, [1 << pageBits]uint8{})
	}
	t.flags[*p][r&(1<<pageBits-1)] |= flag
}

func (t *charTable) mapping(pairs string, flag uint8) map[rune]string {
	m := map[rune]string{}
	for pairs != "" {
		var pair string
		pair, pairs, _ = strings.Cut(pairs, "\x00")
		r, w := utf8.DecodeRuneInString(pair)
		m[r] = pair[w:]
		t.set(r, flag)
	}
	return m
}

func (t *charTable) of(r rune) uint8 {
	return t.flags[t.page[r>>pageBits]][r&(1<<pageBits-1)]
}
