package stmodel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// A configuration file is a few kilobytes; tokenizer.json a few megabytes.
const (
	maxConfig    = 4 << 20
	maxTokenizer = 256 << 20
)

const (
	modulesFile   = "modules.json"
	configFile    = "config.json"
	tokenizerFile = "tokenizer.json"
	settingsFile  = "tokenizer_config.json"
	specialsFile  = "special_tokens_map.json"
	sentenceFile  = "config_sentence_transformers.json"
)

// object is a JSON object, its values not yet read.
type object map[string]json.RawMessage

// load reads a file of JSON into v.
func load(d fs.FS, name string, limit int64, v any) error {
	if !fs.ValidPath(name) {
		return refuse(modulesFile, fmt.Sprintf("the path %q", name), "a folder inside the model directory", fromRelease)
	}
	b, err := files.ReadCappedFS(d, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(name, "no such file in the model directory", "the file of a sentence-transformers model",
			"give a complete model directory (modules.json, config.json, 1_Pooling/config.json, model.safetensors, tokenizer.json), each file pinned in model.files")
	}
	if unfit, ok := errors.AsType[*files.Unfit](err); ok {
		return refuse(name, unfit.Got(), unfit.Wanted(), fromRelease)
	}
	if err != nil {
		return refuse(name, "a file that cannot be read", "a readable file", "check the file and its permissions")
	}
	if !utf8.Valid(b) { // encoding/json would read other text than the libraries refuse
		return refuse(name, "malformed JSON (bytes that are no UTF-8)", "the JSON of a model's release", fromRelease)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return refuse(name, jsonFault(err), "the JSON of a model's release", fromRelease)
	}
	return nil
}

// jsonFault describes what is wrong with JSON, without Go's types.
func jsonFault(err error) string {
	return fmt.Sprintf("malformed JSON (%.300s)", strictjson.Plain(err))
}

// loadObject reads a JSON object; {} where the file is absent and may be.
func loadObject(d fs.FS, name string, mayMiss bool) (object, error) {
	if mayMiss && fs.ValidPath(name) && absent(d, name) {
		return object{}, nil
	}
	var o object
	if err := load(d, name, maxConfig, &o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, refuse(name, "a JSON null", "a JSON object", fromRelease)
	}
	return o, nil
}

func join(dir, name string) string { return path.Join(dir, name) }

// text is a JSON string's value.
func text(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// isSet reports whether Python would take a value for true: null, false, 0 and
// what is empty are not.
func isSet(raw json.RawMessage) bool {
	switch v := string(bytes.TrimSpace(raw)); v {
	case "", "null", "false", `""`:
		return false
	default:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f != 0
		}
		if v[0] == '[' || v[0] == '{' {
			return strings.Trim(v, "[]{} \t\r\n") != "" || strings.Count(v, "[")+strings.Count(v, "{") > 1
		}
		return true
	}
}

// isNull reports whether a value is absent or null.
func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// boolean reads true or false, and otherwise where the key is absent.
func (o object) boolean(name, key string, otherwise bool) (bool, error) {
	switch raw, ok := o[key]; {
	case !ok:
		return otherwise, nil
	case string(raw) == "true":
		return true, nil
	case string(raw) == "false":
		return false, nil
	default:
		return false, refuse(name+" "+key, display(raw), "true or false", fromRelease)
	}
}

// integer reads a positive whole number, written as one.
func (o object) integer(name, key string) (int, error) {
	n, err := strconv.ParseInt(string(o[key]), 10, 64)
	if err != nil || n < 1 || n > maxNumber {
		return 0, refuse(name+" "+key, display(o[key]), "a positive number", fromRelease)
	}
	return int(n), nil
}

// display is a value as a message shows it.
func display(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "none"
	}
	return fmt.Sprintf("%.80s", strings.ToValidUTF8(string(raw), "?"))
}
