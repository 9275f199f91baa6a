package strictjson

import (
	"bytes"
	"encoding/json"
)

// encode writes v as indented JSON with a final newline. The bytes depend on v
// alone, and decoding and encoding them again gives the same bytes.
func Encode[T any](v T) ([]byte, error) {
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
