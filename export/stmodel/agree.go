package stmodel

import (
	"bufio"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Agree compares the files of dir with each other wherever two of them say the
// same thing: weights and config.json, tokenizer.json and the weights'
// embedding table, tokenizer.json and tokenizer_config.json, vocab.txt and the
// rest. Two readers that each use another file give a text two vectors, or
// fail on it. A disagreement is an error of kind Usage that names both.
func Agree(dir string) error { return agree(os.DirFS(dir)) }

func agree(d fs.FS) error {
	model, err := readModel(d)
	if err != nil {
		return err
	}
	t, err := readTokenizer(d)
	if err != nil {
		return err
	}
	w, err := readWeights(d)
	if err != nil {
		return err
	}
	settings, err := loadObject(d, settingsFile, true)
	if err != nil {
		return err
	}
	for _, pair := range []func() error{
		func() error { return w.sameShapes(model) },
		func() error { return t.idsHaveRows(model, w) },
		func() error { return t.sameAsVocabulary(d) },
		func() error { return t.sameNormalizer(settings) },
		func() error { return t.sameAdded(d, settings) },
		func() error { return t.sameSpecials(d, settings) },
		func() error { return t.samePadding(model, settings) },
	} {
		if err := pair(); err != nil {
			return err
		}
	}
	return nil
}

const oneRelease = "find out which of the two is right before you trust either, and take both from the same release"

// disagree names both sides.
func disagree(thing, got, wanted string) error { return refuse(thing, got, wanted, oneRelease) }

// idsHaveRows wants every token to have a row in the embedding table.
func (t *tokenizer) idsHaveRows(model object, w weights) error {
	rows, where, err := w.wordRows(model)
	if err != nil || rows == 0 {
		return err
	}
	if id, at := t.largestID(); id >= rows {
		return refuse(tokenizerFile, fmt.Sprintf("id %d (%s)", id, at), fmt.Sprintf("ids below %d, the rows of %s", rows, where),
			"remove the token, or give the model a row for it (resize_token_embeddings) and save model and tokenizer again")
	}
	return nil
}

// sameAsVocabulary compares vocab.txt, which readers without tokenizer.json
// take, line by line.
func (t *tokenizer) sameAsVocabulary(d fs.FS) error {
	const name = "vocab.txt"
	if len(t.vocab) == 0 || absent(d, name) {
		return nil
	}
	f, err := d.Open(name)
	if err != nil {
		return refuse(name, "a file that cannot be read", "a readable file", "check the file and its permissions")
	}
	defer func() { _ = f.Close() }() // read only
	listed := map[string]int64{}
	lines := bufio.NewScanner(f)
	for n := int64(0); lines.Scan(); n++ {
		listed[lines.Text()] = n // of equal lines the last counts
	}
	if err := lines.Err(); err != nil {
		return refuse(name, err.Error(), "a piece a line", fromRelease)
	}
	for _, piece := range slices.Sorted(maps.Keys(listed)) {
		if id, ok := t.vocab[piece]; !ok || id != listed[piece] {
			got := "no such piece"
			if ok {
				got = fmt.Sprintf("id %d", id)
			}
			return disagree(fmt.Sprintf("%s model.vocab %.40q", tokenizerFile, piece), got, fmt.Sprintf("id %d, as line %d of %s has it", listed[piece], listed[piece]+1, name))
		}
	}
	if len(listed) != len(t.vocab) {
		return disagree(name, fmt.Sprintf("%d pieces", len(listed)), fmt.Sprintf("the %d of %s model.vocab", len(t.vocab), tokenizerFile))
	}
	return nil
}

// sameNormalizer compares the settings that BERT's tokenizer classes take from
// tokenizer_config.json with those that tokenizer.json has. Where the class
// makes its normalizer anew from them, a key that is absent has BERT's default.
func (t *tokenizer) sameNormalizer(settings object) error {
	n := t.Normalizer
	if n == nil || n.Type != "BertNormalizer" {
		return nil // another kind, which the settings do not describe
	}
	class, _ := text(settings["tokenizer_class"])
	berts := strings.HasPrefix(class, "BertTokenizer") || strings.HasPrefix(class, "DistilBertTokenizer")
	lower := n.Lower == nil || *n.Lower
	for _, s := range []struct {
		key, other string
		value      bool
		otherwise  bool
	}{
		{"do_lower_case", "lowercase", lower, true},
		{"tokenize_chinese_chars", "handle_chinese_chars", n.Chinese == nil || *n.Chinese, true},
		// Without a setting of its own it follows the lower case.
		{"strip_accents", "strip_accents", n.Strip == nil && lower || n.Strip != nil && *n.Strip, lower},
	} {
		raw := settings[s.key]
		want := s.otherwise
		if isNull(raw) {
			if !berts {
				continue
			}
			raw = []byte(fmt.Sprintf("none, which %s takes for %t", class, want))
		} else {
			var err error
			if want, err = settings.boolean(settingsFile, s.key, want); err != nil {
				return err
			}
		}
		if s.value != want {
			return disagree(settingsFile+" "+s.key, display(raw), fmt.Sprintf("%t, as %s normalizer.%s has it", s.value, tokenizerFile, s.other))
		}
	}
	return nil
}

// sameAdded compares added_tokens.json and added_tokens_decoder.
func (t *tokenizer) sameAdded(d fs.FS, settings object) error {
	const name = "added_tokens.json"
	if !absent(d, name) {
		var added map[string]int64
		if err := load(d, name, maxConfig, &added); err != nil {
			return err
		}
		for _, token := range slices.Sorted(maps.Keys(added)) {
			if err := t.wantID(fmt.Sprintf("%s %.40q", name, token), token, added[token]); err != nil {
				return err
			}
		}
	}
	var decoder map[string]struct {
		Content string `json:"content"`
	}
	if err := unmarshal(settings["added_tokens_decoder"], &decoder); err != nil {
		return refuse(settingsFile+" added_tokens_decoder", jsonFault(err), "an object of ids and tokens", fromRelease)
	}
	for _, key := range slices.Sorted(maps.Keys(decoder)) {
		thing := settingsFile + " added_tokens_decoder " + strconv.Quote(key)
		id, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return refuse(thing, "no number", "a token's id", fromRelease)
		}
		if err := t.wantID(thing, decoder[key].Content, id); err != nil {
			return err
		}
	}
	return nil
}

// wantID wants tokenizer.json to give a token that id.
func (t *tokenizer) wantID(thing, token string, id int64) error {
	if len(t.vocab) == 0 && len(t.AddedTokens) == 0 {
		return nil
	}
	got, ok := t.id(token)
	if !ok {
		return disagree(thing, fmt.Sprintf("the token %.40q with id %d", token, id), "a token that "+tokenizerFile+" has too")
	}
	if got != id {
		return disagree(thing, fmt.Sprintf("id %d for %.40q", id, token), fmt.Sprintf("%d, as %s has it", got, tokenizerFile))
	}
	return nil
}

var specialKeys = []string{"cls_token", "mask_token", "pad_token", "sep_token", "unk_token", "bos_token", "eos_token"}

// sameSpecials compares the special tokens' names, and wants the first and the
// last token of a text to be those named.
func (t *tokenizer) sameSpecials(d fs.FS, settings object) error {
	specials, err := loadObject(d, specialsFile, true)
	if err != nil {
		return err
	}
	type naming struct {
		token
		at string // the file
	}
	named := map[string]naming{}
	for _, key := range specialKeys {
		var at, name string
		for _, o := range []struct {
			file string
			object
		}{{settingsFile, settings}, {specialsFile, specials}} {
			if isNull(o.object[key]) {
				continue
			}
			s, ok := tokenText(o.object[key])
			if !ok {
				return refuse(o.file+" "+key, display(o.object[key]), "a token", fromRelease)
			}
			if at != "" && s != name {
				return disagree(o.file+" "+key, fmt.Sprintf("%.40q", s), fmt.Sprintf("%.40q, as %s has it", name, at))
			}
			at, name = o.file, s
		}
		if at == "" || len(t.vocab) == 0 {
			continue
		}
		id, ok := t.id(name)
		if !ok {
			return disagree(at+" "+key, fmt.Sprintf("%.40q", name), "a token that "+tokenizerFile+" has too")
		}
		named[key] = naming{token{name, id}, at}
	}
	ends, ok := t.firstAndLast()
	if !ok {
		return nil // another kind of tokenizer, which is refused elsewhere
	}
	for i, key := range []string{"cls_token", "sep_token"} {
		if id, ok := t.id(ends[i].text); len(t.vocab) > 0 && (!ok || id != ends[i].id) {
			return refuse(tokenizerFile+" post_processor", fmt.Sprintf("id %d for %.40q", ends[i].id, ends[i].text), "the id that its vocabulary has for it", fromRelease)
		}
		if n, ok := named[key]; ok && n.token != ends[i] {
			return disagree(n.at+" "+key, fmt.Sprintf("%.40q", n.text), fmt.Sprintf("%.40q, as %s post_processor has it", ends[i].text, tokenizerFile))
		}
	}
	return nil
}

// samePadding compares the id that pads a row. RoBERTa's positions depend on
// it.
func (t *tokenizer) samePadding(model, settings object) error {
	name, ok := tokenText(settings["pad_token"])
	if !ok {
		return nil
	}
	id, ok := t.id(name)
	if !ok {
		return nil // sameSpecials reports it
	}
	if raw := model["pad_token_id"]; !isNull(raw) && string(raw) != strconv.FormatInt(id, 10) {
		return disagree(configFile+" pad_token_id", display(raw), fmt.Sprintf("%d, the id of %s pad_token %.40q", id, settingsFile, name))
	}
	if p := t.Padding; p != nil && p.ID != id {
		return disagree(tokenizerFile+" padding.pad_id", fmt.Sprint(p.ID), fmt.Sprintf("%d, the id of %s pad_token %.40q", id, settingsFile, name))
	}
	return nil
}
