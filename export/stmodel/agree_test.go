package stmodel

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// weightsOf is a weights file with these tensors, of which only the list is
// there.
func weightsOf(t testing.TB, tensors map[string]string) []byte {
	t.Helper()
	list := map[string]json.RawMessage{"__metadata__": []byte(`{"format":"pt"}`)}
	for name, s := range tensors {
		list[name] = []byte(s)
	}
	b, err := json.Marshal(list)
	require.NoError(t, err)
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b...)
}

func table2(dtype string, rows, columns int) string {
	return fmt.Sprintf(`{"dtype":%q,"shape":[%d,%d],"data_offsets":[0,0]}`, dtype, rows, columns)
}

// whole is a model of eight pieces whose files agree.
func whole(t testing.TB) map[string]string {
	return map[string]string{
		configFile: `{"model_type":"bert","vocab_size":8,"hidden_size":4,"max_position_embeddings":16,"type_vocab_size":2,"pad_token_id":0}`,
		tokenizerFile: `{"added_tokens":[{"id":0,"content":"[PAD]"},{"id":1,"content":"[UNK]"},{"id":2,"content":"[CLS]"},{"id":3,"content":"[SEP]"},{"id":4,"content":"[MASK]"}],
			"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
			"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"[SEP]"}}],
				"special_tokens":{"[CLS]":{"ids":[2]},"[SEP]":{"ids":[3]}}},
			"padding":{"pad_id":0,"pad_token":"[PAD]"},
			"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,"b":6,"##c":7}}}`,
		settingsFile: `{"tokenizer_class":"BertTokenizer","do_lower_case":true,"strip_accents":null,"tokenize_chinese_chars":true,"cls_token":"[CLS]","sep_token":"[SEP]",
			"pad_token":"[PAD]","unk_token":{"content":"[UNK]"},"mask_token":"[MASK]","added_tokens_decoder":{"0":{"content":"[PAD]"},"4":{"content":"[MASK]"}}}`,
		specialsFile:        `{"cls_token":{"content":"[CLS]"},"sep_token":"[SEP]","pad_token":"[PAD]","unk_token":"[UNK]","mask_token":"[MASK]"}`,
		"vocab.txt":         "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##c\n",
		"added_tokens.json": `{"[CLS]":2}`,
		weightsFile: string(weightsOf(t, map[string]string{
			"bert.embeddings.word_embeddings.weight":       table2("F32", 8, 4),
			"bert.embeddings.position_embeddings.weight":   table2("F32", 16, 4),
			"bert.embeddings.token_type_embeddings.weight": table2("F32", 2, 4),
		})),
	}
}

func mapFS(files map[string]string) fstest.MapFS {
	d := fstest.MapFS{}
	for n, s := range files {
		if s != "" { // "": taken away
			d[n] = &fstest.MapFile{Data: []byte(s)}
		}
	}
	return d
}

func TestFilesThatAgreeAreTaken(t *testing.T) {
	half := string(weightsOf(t, map[string]string{"embeddings.word_embeddings.weight": table2("F16", 8, 4)}))
	for name, c := range map[string]map[string]string{
		"whole":                         nil,
		"without what may be absent":    {settingsFile: "", specialsFile: "", "vocab.txt": "", "added_tokens.json": ""},
		"more rows than tokens":         {configFile: `{"model_type":"bert","vocab_size":64,"hidden_size":4}`, weightsFile: string(weightsOf(t, map[string]string{"embeddings.word_embeddings.weight": table2("F32", 64, 4)}))},
		"weights in half precision":     {weightsFile: half},
		"DistilBERT's names":            {configFile: `{"model_type":"distilbert","vocab_size":8,"dim":4,"max_position_embeddings":16,"pad_token_id":0}`, weightsFile: string(weightsOf(t, map[string]string{"distilbert.embeddings.word_embeddings.weight": table2("F32", 8, 4)}))},
		"a factorised word table":       {configFile: `{"model_type":"albert","vocab_size":8,"hidden_size":4,"embedding_size":2}`, weightsFile: string(weightsOf(t, map[string]string{"embeddings.word_embeddings.weight": table2("F32", 8, 2)}))},
		"line ends of Windows":          {"vocab.txt": strings.ReplaceAll(whole(t)["vocab.txt"], "\n", "\r\n")},
		"another tokenizer's class":     {settingsFile: `{"tokenizer_class":"PreTrainedTokenizerFast","cls_token":"[CLS]"}`, tokenizerFile: strings.Replace(whole(t)[tokenizerFile], `"lowercase":true`, `"lowercase":false`, 1)},
		"accents that follow the case":  {settingsFile: `{"tokenizer_class":"BertTokenizer","do_lower_case":false}`, tokenizerFile: strings.Replace(whole(t)[tokenizerFile], `"lowercase":true`, `"lowercase":false`, 1)},
		"accents that say as they do":   {settingsFile: `{"do_lower_case":true,"strip_accents":true}`},
		"a post-processor of BERT's":    {tokenizerFile: strings.Replace(whole(t)[tokenizerFile], `"type":"TemplateProcessing"`, `"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]`, 1)},
		"a tokenizer of another kind":   {tokenizerFile: `{"model":{"type":"Unigram","vocab":[["a",0.5]]}}`, "vocab.txt": "", "added_tokens.json": "", settingsFile: `{"cls_token":"[CLS]"}`},
		"a word table of another name":  {weightsFile: string(weightsOf(t, map[string]string{"embeddings.tok_embeddings.weight": table2("F32", 8, 4)}))},
		"two models in one weight file": {weightsFile: string(weightsOf(t, map[string]string{"a.embeddings.word_embeddings.weight": table2("F32", 5, 4), "b.embeddings.word_embeddings.weight": table2("F32", 8, 4)}))},
	} {
		t.Run(name, func(t *testing.T) {
			files := whole(t)
			maps.Copy(files, c)
			require.NoError(t, agree(mapFS(files)))
		})
	}
}

func TestFilesThatDisagreeAreRefusedWithBothNamed(t *testing.T) {
	replace := func(name, old, new string) map[string]string {
		s := whole(t)[name]
		require.Contains(t, s, old)
		return map[string]string{name: strings.Replace(s, old, new, 1)}
	}
	tensors := func(name, shape string) map[string]string {
		return map[string]string{weightsFile: string(weightsOf(t, map[string]string{name: shape}))}
	}
	for name, c := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"an added token beyond the table":        {replace(tokenizerFile, `{"id":4,`, `{"id":8,"content":"[DOC]"},{"id":4,`), []string{`id 8 (added_tokens, "[DOC]")`, "ids below 8", "bert.embeddings.word_embeddings.weight", weightsFile}},
		"a piece beyond the table":               {replace(tokenizerFile, `"##c":7`, `"##c":8`), []string{"id 8 (model.vocab", "ids below 8"}},
		"a piece beyond vocab_size alone":        {map[string]string{weightsFile: string(weightsOf(t, nil)), configFile: `{"model_type":"bert","vocab_size":7}`}, []string{"id 7", "vocab_size in config.json"}},
		"vocab_size and the table":               {replace(configFile, `"vocab_size":8`, `"vocab_size":9`), []string{"config.json vocab_size", "got 9", "wanted 8", weightsFile}},
		"the positions and their table":          {replace(configFile, `"max_position_embeddings":16`, `"max_position_embeddings":512`), []string{"max_position_embeddings", "got 512", "wanted 16", "position_embeddings"}},
		"the token types and their table":        {replace(configFile, `"type_vocab_size":2`, `"type_vocab_size":1`), []string{"type_vocab_size", "token_type_embeddings"}},
		"the hidden size and the table":          {replace(configFile, `"hidden_size":4`, `"hidden_size":5`), []string{"config.json hidden_size", "got 5", "wanted 4"}},
		"a table that is none":                   {tensors("embeddings.word_embeddings.weight", `{"dtype":"F32","shape":[8],"data_offsets":[0,0]}`), []string{"a table of rows"}},
		"quantised weights":                      {tensors("encoder.layer.0.output.dense.weight", table2("I8", 4, 4)), []string{`type "I8"`}},
		"weights that are cut":                   {map[string]string{weightsFile: whole(t)[weightsFile][:20]}, []string{weightsFile, "ends in its list"}},
		"weights of another kind":                {map[string]string{weightsFile: "PK\x03\x04 is a pickle's zip"}, []string{weightsFile, "list of tensors of"}},
		"no weights":                             {map[string]string{weightsFile: ""}, []string{weightsFile, "max_shard_size"}},
		"no tokenizer.json":                      {map[string]string{tokenizerFile: ""}, []string{tokenizerFile}},
		"vocab.txt in another order":             {replace("vocab.txt", "a\nb\n", "b\na\n"), []string{`model.vocab "a"`, "got id 5", "id 6, as line 7 of vocab.txt"}},
		"vocab.txt with a piece more":            {replace("vocab.txt", "##c\n", "##c\nd\n"), []string{`model.vocab "d"`, "no such piece", "line 9"}},
		"vocab.txt with a piece less":            {replace("vocab.txt", "##c\n", ""), []string{"vocab.txt", "got 7 pieces", "the 8 of tokenizer.json"}},
		"do_lower_case and lowercase":            {replace(settingsFile, `"do_lower_case":true`, `"do_lower_case":false`), []string{"tokenizer_config.json do_lower_case", "got false", "tokenizer.json normalizer.lowercase"}},
		"do_lower_case that is left to BERT":     {map[string]string{settingsFile: `{"tokenizer_class":"BertTokenizerFast"}`, tokenizerFile: strings.Replace(whole(t)[tokenizerFile], `"lowercase":true`, `"lowercase":false`, 1)}, []string{"do_lower_case", "none, which BertTokenizerFast takes for true"}},
		"do_lower_case that is no boolean":       {replace(settingsFile, `"do_lower_case":true`, `"do_lower_case":"yes"`), []string{"do_lower_case", "true or false"}},
		"strip_accents":                          {replace(settingsFile, `"strip_accents":null`, `"strip_accents":false`), []string{"strip_accents", "normalizer.strip_accents"}},
		"Chinese characters":                     {replace(settingsFile, `"tokenize_chinese_chars":true`, `"tokenize_chinese_chars":false`), []string{"tokenize_chinese_chars", "handle_chinese_chars"}},
		"a special token nobody knows":           {map[string]string{settingsFile: `{"cls_token":"<s>"}`, specialsFile: ""}, []string{"cls_token", "<s>", tokenizerFile}},
		"special tokens of two names":            {replace(specialsFile, `"mask_token":"[MASK]"`, `"mask_token":"[SEP]"`), []string{"special_tokens_map.json mask_token", "[MASK]", settingsFile}},
		"a special token that is none":           {replace(specialsFile, `"mask_token":"[MASK]"`, `"mask_token":[]`), []string{"mask_token"}},
		"another first token":                    {map[string]string{settingsFile: `{"cls_token":"[SEP]"}`, specialsFile: ""}, []string{"cls_token", "[SEP]", "post_processor"}},
		"a post-processor with another id":       {replace(tokenizerFile, `"ids":[3]`, `"ids":[4]`), []string{"post_processor", "id 4"}},
		"added_tokens_decoder with another id":   {replace(settingsFile, `"4":{"content":"[MASK]"}`, `"5":{"content":"[MASK]"}`), []string{`added_tokens_decoder "5"`, "wanted 4"}},
		"added_tokens_decoder with a token more": {replace(settingsFile, `"4":{"content":"[MASK]"}`, `"8":{"content":"[DOC]"}`), []string{`added_tokens_decoder "8"`, "[DOC]", tokenizerFile}},
		"added_tokens.json with another id":      {map[string]string{"added_tokens.json": `{"[CLS]":9}`}, []string{"added_tokens.json", "got id 9", "wanted 2"}},
		"added_tokens.json that is none":         {map[string]string{"added_tokens.json": `{"[CLS]":"x"}`}, []string{"added_tokens.json"}},
		"pad_token_id":                           {replace(configFile, `"pad_token_id":0`, `"pad_token_id":1`), []string{"config.json pad_token_id", "got 1", "pad_token"}},
		"padding with another id":                {replace(tokenizerFile, `"pad_id":0`, `"pad_id":1`), []string{"padding.pad_id", "pad_token"}},
		"a vocabulary that is none":              {map[string]string{tokenizerFile: `{"model":{"type":"WordPiece","vocab":[1]}}`}, []string{"model.vocab", "an array"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := whole(t)
			maps.Copy(files, c.change)
			err := agree(mapFS(files))
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			refusal(t, err)
		})
	}
}
