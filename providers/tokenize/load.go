package tokenize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/pretrained"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/strictjson"
)

const (
	maxJSON  = 256 << 20
	maxVocab = 1 << 24 // ids
	// maxPieces bounds the cost of reading a malicious vocabulary. The largest
	// WordPiece vocabulary in use, LaBSE's, has 501,153.
	maxPieces = 1 << 19
	// maxAdded is how many added tokens a text is searched for, at each of its
	// bytes that one begins with. Tokenizers have some ten.
	maxAdded = 4096
)

// file is what tokenizer.json must say. Its truncation and padding are not
// read: the longest text comes from the model's own configuration.
type file struct {
	AddedTokens []struct {
		ID         int64  `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Normalized bool   `json:"normalized"`
	} `json:"added_tokens"`
	Normalizer *struct {
		Type    string `json:"type"`
		Clean   *bool  `json:"clean_text"`
		Chinese *bool  `json:"handle_chinese_chars"`
		Strip   *bool  `json:"strip_accents"`
		Lower   *bool  `json:"lowercase"`
	} `json:"normalizer"`
	PreTokenizer *struct {
		Type string `json:"type"`
	} `json:"pre_tokenizer"`
	PostProcessor *postProcessor `json:"post_processor"`
	Model         struct {
		Type     string           `json:"type"`
		Unk      string           `json:"unk_token"`
		Prefix   string           `json:"continuing_subword_prefix"`
		MaxChars float64          `json:"max_input_chars_per_word"`
		Pieces   json.RawMessage  `json:"vocab"` // a WordPiece has an object there, others an array
		Vocab    map[string]int64 `json:"-"`
	} `json:"model"`
	Padding *struct {
		ID int64 `json:"pad_id"`
	} `json:"padding"`
}

type postProcessor struct {
	Type   string            `json:"type"`
	Single []json.RawMessage `json:"single"`
	Tokens map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
	Sep []json.RawMessage `json:"sep"`
	CLS []json.RawMessage `json:"cls"`
}

// Load reads tokenizer.json. What is not a BERT WordPiece tokenizer that can be
// reproduced id for id is a fault of kind Usage.
func Load(tokenizerJSON []byte) (*Tokenizer, error) {
	t, err := load(tokenizerJSON)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Usage, Thing: "tokenizer.json", Err: err,
			Next: "use a model with a BERT WordPiece tokenizer.json, as saved by HF's tokenizers",
		}
	}
	return t, nil
}

func load(b []byte) (*Tokenizer, error) {
	if len(b) > maxJSON {
		return nil, fmt.Errorf("got %d bytes, wanted at most %d", len(b), maxJSON)
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, strictjson.Plain(err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	vocab, err := vocabulary(b)
	if err != nil {
		return nil, err
	}
	if len(vocab) != len(f.Model.Vocab) {
		return nil, fmt.Errorf("got %d pieces from the reader, wanted %d", len(vocab), len(f.Model.Vocab))
	}
	n := f.Normalizer
	t := &Tokenizer{
		norm:     normaliser{clean: is(n.Clean, true), chinese: is(n.Chinese, true), lower: is(n.Lower, true)},
		first:    make(map[string]int32, len(vocab)),
		cont:     map[string]int32{},
		maxRunes: int(f.Model.MaxChars),
	}
	t.norm.strip = is(n.Strip, t.norm.lower) // null follows lowercase
	for piece, id := range vocab {
		t.first[piece] = int32(id)
		t.size = max(t.size, id+1)
		t.maxBytes = max(t.maxBytes, len(piece))
		if p := f.Model.Prefix; len(piece) > len(p) && piece[:len(p)] == p {
			t.cont[piece[len(p):]] = int32(id)
		}
	}
	t.unk = t.first[f.Model.Unk]
	for _, a := range f.AddedTokens {
		t.special = append(t.special, special{a.Content, int32(a.ID)})
		t.specialStarts[a.Content[0]] = true
		t.size = max(t.size, int(a.ID)+1)
	}
	if t.cls, t.sep, err = f.PostProcessor.specialIDs(); err != nil {
		return nil, err
	}
	if f.Padding != nil {
		t.pad = f.Padding.ID
	} else if id, ok := t.first["[PAD]"]; ok {
		t.pad = int64(id)
	}
	for _, id := range []int64{int64(t.cls), int64(t.sep), t.pad} {
		if id < 0 || id >= int64(t.size) {
			return nil, fmt.Errorf("got id %d for a special token, wanted one of the vocabulary's %d", id, t.size)
		}
	}
	t.fillASCII()
	return t, nil
}

func is(b *bool, null bool) bool {
	if b == nil {
		return null
	}
	return *b
}

func (f *file) check() error {
	if f.Model.Type != "" && f.Model.Type != "WordPiece" {
		return fmt.Errorf("model: got type %q, wanted WordPiece", f.Model.Type)
	}
	if n := bytes.Count(f.Model.Pieces, []byte(":")); n > maxPieces+maxPieces/8 { // some pieces hold a colon
		return fmt.Errorf("model.vocab: got some %d pieces, wanted at most %d", n, maxPieces)
	}
	if len(f.Model.Pieces) > 0 {
		if err := json.Unmarshal(f.Model.Pieces, &f.Model.Vocab); err != nil {
			return fmt.Errorf("model.vocab: %w", strictjson.Plain(err))
		}
	}
	m := f.Model
	if len(m.Vocab) == 0 || len(m.Vocab) > maxPieces {
		return fmt.Errorf("model.vocab: got %d pieces, wanted 1 to %d", len(m.Vocab), maxPieces)
	}
	for piece, id := range m.Vocab {
		if id < 0 || id >= maxVocab {
			return fmt.Errorf("model.vocab: got id %d for %q, wanted 0 to %d", id, piece, maxVocab)
		}
	}
	if _, ok := m.Vocab[m.Unk]; !ok {
		return fmt.Errorf("model.unk_token: got %q, wanted a piece of the vocabulary", m.Unk)
	}
	if m.Prefix == "" {
		return errors.New("model.continuing_subword_prefix: got none, wanted one such as ##")
	}
	if m.MaxChars != math.Trunc(m.MaxChars) || m.MaxChars < 1 || m.MaxChars > 1<<20 {
		return fmt.Errorf("model.max_input_chars_per_word: got %v, wanted a whole number from 1", m.MaxChars)
	}
	if f.Normalizer == nil || f.Normalizer.Type != "BertNormalizer" {
		return errors.New("normalizer: wanted a BertNormalizer")
	}
	if f.PreTokenizer == nil || f.PreTokenizer.Type != "BertPreTokenizer" {
		return errors.New("pre_tokenizer: wanted a BertPreTokenizer")
	}
	if f.PostProcessor == nil {
		return errors.New("post_processor: got none, wanted [CLS] text [SEP]")
	}
	if !is(f.Normalizer.Clean, true) {
		for piece := range m.Vocab {
			// Go and HF's callers count such bytes differently.
			if strings.ContainsRune(piece, utf8.RuneError) {
				return fmt.Errorf("normalizer.clean_text: got false with the piece %q, wanted no U+FFFD, which stands for bytes that are not UTF-8", piece)
			}
		}
	}
	return f.checkAdded()
}

// checkAdded refuses ids that HF's tokenizers would change silently: they keep
// the vocabulary's, and number new tokens on in the order of the file.
func (f *file) checkAdded() error {
	if n := len(f.AddedTokens); n > maxAdded {
		return fmt.Errorf("added_tokens: got %d, wanted at most %d", n, maxAdded)
	}
	next, seen := int64(len(f.Model.Vocab)), map[string]bool{}
	for _, a := range f.AddedTokens {
		if a.Content == "" || seen[a.Content] {
			return fmt.Errorf("added_tokens: got %q, wanted a text that is not there yet", a.Content)
		}
		seen[a.Content] = true
		if a.SingleWord || a.LStrip || a.RStrip || a.Normalized {
			return fmt.Errorf("added_tokens: %q has single_word, lstrip, rstrip or normalized; wanted none of them", a.Content)
		}
		wanted, ok := f.Model.Vocab[a.Content]
		if !ok {
			wanted = next
		}
		if a.ID != wanted {
			return fmt.Errorf("added_tokens: got id %d for %q, wanted %d", a.ID, a.Content, wanted)
		}
		next = max(next, a.ID+1)
	}
	return nil
}

// specialIDs returns the ids that begin and end a text.
func (p *postProcessor) specialIDs() (cls, sep int32, err error) {
	switch p.Type {
	case "TemplateProcessing":
		return p.template()
	case "BertProcessing":
		if cls, err = pairID(p.CLS); err == nil {
			sep, err = pairID(p.Sep)
		}
		return cls, sep, err
	}
	return 0, 0, fmt.Errorf("post_processor: got type %q, wanted TemplateProcessing or BertProcessing", p.Type)
}

func (p *postProcessor) template() (cls, sep int32, err error) {
	type part struct {
		SpecialToken *struct{ ID string } `json:"SpecialToken"`
		Sequence     *struct{ ID string } `json:"Sequence"`
	}
	var parts [3]part
	wanted := errors.New("post_processor.single: wanted a special token, the text, a special token")
	if len(p.Single) != 3 {
		return 0, 0, wanted
	}
	for i, raw := range p.Single {
		if err := json.Unmarshal(raw, &parts[i]); err != nil {
			return 0, 0, fmt.Errorf("post_processor.single: %w", strictjson.Plain(err))
		}
	}
	if parts[0].SpecialToken == nil || parts[1].Sequence == nil || parts[1].Sequence.ID != "A" || parts[2].SpecialToken == nil {
		return 0, 0, wanted
	}
	id := func(name string) (int32, error) {
		ids := p.Tokens[name].IDs
		if len(ids) != 1 || ids[0] < 0 || ids[0] >= maxVocab {
			return 0, fmt.Errorf("post_processor.special_tokens: got ids %v for %q, wanted one", ids, name)
		}
		return int32(ids[0]), nil
	}
	if cls, err = id(parts[0].SpecialToken.ID); err == nil {
		sep, err = id(parts[2].SpecialToken.ID)
	}
	return cls, sep, err
}

// pairID reads ["[CLS]", 101].
func pairID(pair []json.RawMessage) (int32, error) {
	var id int64
	if len(pair) != 2 {
		return 0, fmt.Errorf("post_processor: got %d values, wanted a token and its id", len(pair))
	}
	if err := json.Unmarshal(pair[1], &id); err != nil {
		return 0, fmt.Errorf("post_processor: %w", strictjson.Plain(err))
	}
	if id < 0 || id >= maxVocab {
		return 0, fmt.Errorf("post_processor: got id %d, wanted one of the vocabulary", id)
	}
	return int32(id), nil
}

// vocabulary reads the model with sugarme. Only its WordPiece reader is called,
// on a structure that was checked, because its other readers end the process
// with log.Fatal, and it panics on what it does not expect.
func vocabulary(b []byte) (vocab map[string]int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sugarme/tokenizer cannot read it: %v", r)
		}
	}()
	var c tokenizer.Config
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&c); err != nil {
		return nil, err
	}
	if c.Model == nil {
		return nil, errors.New("model: got none")
	}
	c.Model["type"] = "WordPiece" // old files leave it out, and sugarme then guesses
	m, err := pretrained.CreateModel(&c)
	if err != nil {
		return nil, err
	}
	return m.GetVocab(), nil
}

// fillASCII decides once what each ASCII character does.
func (t *Tokenizer) fillASCII() {
	for r := range rune(utf8.RuneSelf) {
		a, f := &t.ascii[r], chars.of(r)
		a.lower = byte(r)
		if t.norm.lower && f&changesCase != 0 {
			a.lower = chars.lower[r][0]
		}
		switch {
		case t.norm.clean && f&isRemoved != 0:
			a.does = actDrop
		case t.norm.clean && f&isToSpace != 0, f&isSpace != 0:
			a.does = actEndWord
		case f&isPunct != 0:
			a.does = actOwnWord
		}
	}
}
