package tokenize_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers/tokenize"
)

const limit = 256

func official(t testing.TB) []byte {
	b, err := os.ReadFile(filepath.Join(exporttest.SourceDir(t), "tokenizer.json"))
	require.NoError(t, err)
	return b
}

func load(t testing.TB) *tokenize.Tokenizer {
	tok, err := tokenize.Load(official(t))
	require.NoError(t, err)
	return tok
}

// everyCodePoint was made with HF's tokenizers 0.23.3.
const everyCodePoint = "ccc07b3d7c4288bc91944131e219844208b9c76c0bb23e02ad4251b8318cd909"

func TestEveryCodePointGivesTheReferenceIds(t *testing.T) {
	require.Equal(t, everyCodePoint, codePointSum(load(t)))
}

// codePointSum is the sha256 of the ids, little-endian uint16, of a text for
// each code point.
func codePointSum(tok *tokenize.Tokenizer) string {
	h := sha256.New()
	var ids []int64
	var raw []byte
	for c := rune(0); c <= 0x10ffff; c++ {
		if c >= 0xd800 && c <= 0xdfff {
			continue
		}
		s := string(c)
		ids, raw = tok.Append(ids[:0], "a"+s+"b "+s+" ", limit), raw[:0]
		for _, id := range ids {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(id))
		}
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestTextBecomesIds(t *testing.T) {
	tok := load(t)
	for name, c := range map[string]struct {
		text  string
		limit int
		want  []int64
	}{
		"a sentence":                      {"Hello, world!", limit, []int64{101, 7592, 1010, 2088, 999, 102}},
		"nothing":                         {"", limit, []int64{101, 102}},
		"blanks":                          {" \t\n\u00a0\u3000", limit, []int64{101, 102}},
		"a literal special token":         {"a[MASK]b", limit, []int64{101, 1037, 103, 1038, 102}},
		"a special token in lower case":   {"[mask]", limit, []int64{101, 1031, 7308, 1033, 102}},
		"accents, composed":               {"café", limit, []int64{101, 7668, 102}},
		"accents, decomposed":             {"cafe\u0301", limit, []int64{101, 7668, 102}},
		"a word over 100 characters":      {strings.Repeat("a", 101), limit, []int64{101, 100, 102}},
		"invalid UTF-8":                   {"a\xff b\xc3", limit, []int64{101, 1037, 1038, 102}},
		"a text that is cut":              {"a b c d e", 4, []int64{101, 1037, 1038, 102}},
		"room for the ends alone":         {"a b", 2, []int64{101, 102}},
		"no room at all":                  {"a b", 0, []int64{101, 102}},
		"a special token at the cut":      {"a [SEP] b", 3, []int64{101, 1037, 102}},
		"a bracket that opens no special": {"[a", limit, []int64{101, 1031, 1037, 102}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, tok.Append(nil, c.text, c.limit))
			got := tok.Append([]int64{7, 8}, c.text, c.limit)
			require.Equal(t, append([]int64{7, 8}, c.want...), got, "what was there stays")
		})
	}
}

func TestLowerCasingOffIsHonoured(t *testing.T) {
	b := strings.Replace(string(official(t)), `"lowercase":true`, `"lowercase":false`, 1)
	require.NotEqual(t, string(official(t)), b)
	tok, err := tokenize.Load([]byte(b))
	require.NoError(t, err)
	require.Equal(t, []int64{101, 100, 102}, tok.Append(nil, "Hello", limit), "the vocabulary has no capitals")
	require.Equal(t, []int64{101, 7592, 102}, tok.Append(nil, "hello", limit))
}

func TestManyGoroutinesAtOnce(t *testing.T) {
	tok := load(t)
	want := tok.Append(nil, "The quick brown fox [MASK] jumps, naïvely.", limit)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if got := tok.Append(nil, "The quick brown fox [MASK] jumps, naïvely.", limit); len(got) != len(want) || got[5] != want[5] {
					t.Errorf("got %v, wanted %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

const small = `{"added_tokens":[],"normalizer":{"type":"BertNormalizer","lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
"post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##b":4}}}`

func TestASmallTokenizerWorks(t *testing.T) {
	tok, err := tokenize.Load([]byte(small))
	require.NoError(t, err)
	require.Equal(t, []int64{1, 3, 4, 0, 2}, tok.Append(nil, "Ab b", limit))
	require.Equal(t, 5, tok.VocabSize())
}

func TestWhatIsNoBertWordPieceIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"another model":                            {`"type":"WordPiece"`, `"type":"BPE"`, `got type "BPE", wanted WordPiece`},
		"another model with a list of pieces":      {`"type":"WordPiece"`, `"type":"Unigram","vocab":[["a",0.5]],"old":""`, `got type "Unigram", wanted WordPiece`},
		"another normaliser":                       {`"BertNormalizer"`, `"NFC"`, "BertNormalizer"},
		"another pre-tokenizer":                    {`"BertPreTokenizer"`, `"ByteLevel"`, "BertPreTokenizer"},
		"another post-processor":                   {`"BertProcessing"`, `"RobertaProcessing"`, "RobertaProcessing"},
		"a special token out of it":                {`["[CLS]",1]`, `["[CLS]",77]`, "77"},
		"no unknown token":                         {`"unk_token":"[UNK]"`, `"unk_token":"?"`, "unk_token"},
		"a negative id":                            {`"a":3`, `"a":-3`, "-3"},
		"a huge id":                                {`"a":3`, `"a":99999999999`, "99999999999"},
		"a vocabulary of lists":                    {`"a":3`, `"a":[3]`, "vocab"},
		"half a number of runes":                   {`word":100`, `word":1.5`, "1.5"},
		"an added token that strips":               {`"added_tokens":[]`, `"added_tokens":[{"id":3,"content":"x","lstrip":true}]`, "lstrip"},
		"an added id that is not the vocabulary's": {`"added_tokens":[]`, `"added_tokens":[{"id":4,"content":"a"}]`, `got id 4 for "a", wanted 3`},
		"more pieces than any has":                 {`"a":3`, `"a":3` + strings.Repeat(`,"b":3`, 600_000), "got some 6000"},
		"more added tokens than any has":           {`"added_tokens":[]`, `"added_tokens":[` + strings.Repeat(`{"id":5,"content":"x"},`, 99_999) + `{"id":5,"content":"x"}]`, "got 100000, wanted at most 4096"},
		"an added id that is taken":                {`"added_tokens":[]`, `"added_tokens":[{"id":3,"content":"x"}]`, `got id 3 for "x", wanted 5`},
		"an added id after a gap":                  {`"added_tokens":[]`, `"added_tokens":[{"id":9,"content":"x"}]`, `got id 9 for "x", wanted 5`},
		"added tokens out of order":                {`"added_tokens":[]`, `"added_tokens":[{"id":6,"content":"x"},{"id":5,"content":"y"}]`, `got id 6 for "x", wanted 5`},
		"an added token twice":                     {`"added_tokens":[]`, `"added_tokens":[{"id":5,"content":"x"},{"id":5,"content":"x"}]`, `got "x"`},
		"an added token without text":              {`"added_tokens":[]`, `"added_tokens":[{"id":5,"content":""}]`, `got ""`},
		"broken JSON":                              {`{"added`, `{{"added`, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, small, c.old)
			_, err := tokenize.Load([]byte(strings.Replace(small, c.old, c.new, 1)))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "tokenizer.json")
			require.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestUncleanedBytesThatHaveAPieceAreRefused(t *testing.T) {
	b := strings.Replace(small, `"a":3`, "\"\ufffd\":3", 1)
	_, err := tokenize.Load([]byte(b))
	require.NoError(t, err)
	_, err = tokenize.Load([]byte(strings.Replace(b, `"lowercase":true`, `"clean_text":false`, 1)))
	require.ErrorContains(t, err, "U+FFFD")
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"model":{"vocab":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := tokenize.Load(b)
		if err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
			return
		}
		checkIDs(t, tok, "A b [CLS] café\xff", 8)
	})
}

func FuzzAppend(f *testing.F) {
	tok := load(f)
	f.Add("Hello [MASK] naïve 日本\xff", 16)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, s string, limit int) { checkIDs(t, tok, s, limit%600) })
}

func checkIDs(t *testing.T, tok *tokenize.Tokenizer, s string, limit int) {
	ids := tok.Append(nil, s, limit)
	require.GreaterOrEqual(t, len(ids), 2)
	require.LessOrEqual(t, len(ids), max(limit, 2))
	for _, id := range ids {
		require.GreaterOrEqual(t, id, int64(0))
		require.Less(t, id, int64(tok.VocabSize()))
	}
}
