// Package strictjson reads JSON of which no two readers may see two things:
// manifests, evidence, verdicts. It must not know what any of them means.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// deepest is how far arrays and objects may nest; no file of embedgate's comes
// near it.
const deepest = 64

// Decode reads exactly one JSON value into v. Beyond encoding/json it refuses
// unknown keys, anything after the value, nesting deeper than 64, and a key
// that appears twice in one object in any case: encoding/json would take the
// last one, another reader the first.
func Decode(data []byte, v any) error {
	if err := uniqueKeys(json.NewDecoder(bytes.NewReader(data))); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return Plain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("got more after the JSON value, wanted nothing")
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
					return fmt.Errorf("key %.80q appears twice", s)
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
