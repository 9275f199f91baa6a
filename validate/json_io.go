package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decodeStrict reads exactly one JSON value into v. Beyond encoding/json it
// refuses unknown keys, anything after the value, and a key that appears twice
// in one object in any case: where two readers could see two files.
func decodeStrict(data []byte, v any) error {
	if err := uniqueKeys(json.NewDecoder(bytes.NewReader(data))); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// uniqueKeys walks the first value by its tokens, with a stack of its own, so
// that depth costs no call stack.
func uniqueKeys(d *json.Decoder) error {
	type object struct {
		keys map[string]bool // nil in an array
		key  bool            // the next token is a key
	}
	const deepest = 64
	var stack []object
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			top := &stack[n-1]
			if s, ok := t.(string); ok && top.key {
				s = strings.ToLower(s)
				if top.keys[s] {
					return fmt.Errorf("key %q appears twice", clip(s))
				}
				top.keys[s], top.key = true, false
				continue
			}
			top.key = true
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, object{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			stack = append(stack, object{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 {
			return nil
		}
		if len(stack) > deepest {
			return fmt.Errorf("nested more than %d deep", deepest)
		}
	}
}

// encode writes v as indented JSON with a final newline. The bytes depend on v
// alone, and decoding and encoding them again gives the same bytes.
func encode[T any](v T) ([]byte, error) {
	once, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	// Invalid UTF-8 of a runtime's stderr becomes U+FFFD only when read back.
	var back T
	if err := json.Unmarshal(once, &back); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(back); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// clip keeps hostile text from filling the screen.
func clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
