package stmodel

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// sentenceFiles are the names of the Transformer's own configuration:
// sentence-transformers takes the first that is there and not empty.
var sentenceFiles = []string{
	"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json", "sentence_camembert_config.json",
	"sentence_albert_config.json", "sentence_xlm-roberta_config.json", "sentence_xlnet_config.json",
}

// allowedArguments are arguments that change neither numbers nor tokens.
var allowedArguments = map[string]bool{
	"add_pooling_layer": true, "attn_implementation": true, "dtype": true, "torch_dtype": true, "use_safetensors": true,
	"model_max_length": true, "trust_remote_code": true,
}

// readTransformer reads the Transformer's configuration, refused where it
// changes the forward or the text.
func readTransformer(d fs.FS) (c object, err error) {
	name := sentenceFiles[0]
	for _, name = range sentenceFiles {
		if c, err = loadObject(d, name, true); err != nil {
			return nil, err
		}
		if len(c) > 0 {
			break
		}
	}
	for key, known := range map[string]string{"transformer_task": "feature-extraction", "module_output_name": "token_embeddings"} {
		if raw, ok := c[key]; ok && string(raw) != strconv.Quote(known) {
			return nil, refuse(name+" "+key, display(raw), known, "choose a model that gives token vectors")
		}
	}
	if raw := c["modality_config"]; !isNull(raw) {
		var m struct {
			Text map[string]string `json:"text"`
		}
		if err := json.Unmarshal(raw, &m); err != nil || len(m.Text) != 2 || m.Text["method"] != "forward" || m.Text["method_output_name"] != "last_hidden_state" {
			return nil, refuse(name+" modality_config", display(raw), "text through forward to last_hidden_state", "choose a text model")
		}
	}
	for _, key := range []string{"processing_kwargs", "query_length", "document_length", "query_expansion"} {
		if isSet(c[key]) {
			return nil, refuse(name+" "+key, display(c[key]), "nothing", "choose a model without it; embedgate does not reproduce it")
		}
	}
	for _, key := range []string{"model_args", "model_kwargs", "config_args", "config_kwargs", "tokenizer_args", "processor_kwargs"} {
		var args object
		err := unmarshal(c[key], &args)
		for a := range args {
			if !allowedArguments[a] {
				err = fmt.Errorf("%s", a)
			}
		}
		if err != nil && isSet(c[key]) {
			return nil, refuse(name+" "+key, display(c[key]), "no arguments that change the forward or the tokens", "choose a model without them; embedgate does not reproduce them")
		}
	}
	if isSet(c["do_lower_case"]) {
		f, err := readTokenizer(d)
		if err != nil {
			return nil, err
		}
		if !f.Normalizer.lowerCases(8) {
			return nil, refuse(name+" do_lower_case", "true, while tokenizer.json's normalizer keeps capitals", "a tokenizer.json that lower-cases by itself", savedOnce)
		}
	}
	return c, nil
}

func unmarshal(raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, v)
}

// maxTokens follows sentence-transformers: max_seq_length where it is given,
// else the tokenizer's limit; and never more than the model has positions for,
// where it has a table of them.
func maxTokens(d fs.FS, room int, t object) (int, error) {
	where, limit := "max_seq_length", t["max_seq_length"]
	for _, key := range []string{"processor_kwargs", "tokenizer_args"} {
		var args object
		_ = unmarshal(t[key], &args) // readTransformer took it
		if raw, ok := args["model_max_length"]; ok {
			limit = raw
		}
	}
	if isNull(limit) {
		settings, err := loadObject(d, settingsFile, true)
		if err != nil {
			return 0, err
		}
		where, limit = settingsFile+" model_max_length", settings["model_max_length"]
	}
	n := room
	if !isNull(limit) {
		var ok bool
		if n, ok = tokensOf(limit); !ok {
			return 0, refuse(where, display(limit), "a number of tokens", fromRelease)
		}
	}
	if room > 0 {
		n = min(n, room)
	}
	if n < 3 || n > maxTextTokens {
		return 0, refuse("the longest text", fmt.Sprintf("%d tokens", n), fmt.Sprintf("3 to %d tokens", maxTextTokens), "set max_seq_length in sentence_bert_config.json")
	}
	return n, nil
}

// tokensOf reads a number of tokens. 1e30 is the libraries' way to say "no
// limit".
func tokensOf(raw json.RawMessage) (int, bool) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !math.IsInf(f, 1) || !(f >= 1) {
		return 0, false
	}
	if strings.ContainsAny(string(raw), ".eE") || f > maxNumber {
		return int(min(f, 1<<40)), true
	}
	n, err := strconv.Atoi(string(raw))
	return n, err == nil
}
