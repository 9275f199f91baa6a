package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Plain says what is wrong with JSON in the words of JSON. encoding/json names
// the Go type that a value does not fit, which means nothing to the reader.
// Other errors are returned as they are.
func Plain(err error) error {
	e := (*json.UnmarshalTypeError)(nil)
	if !errors.As(err, &e) {
		return err
	}
	what, found := strings.CutPrefix(e.Value, "number ")
	switch {
	case found:
		what = "the number " + what
	case e.Value == "bool":
		what = "true or false"
	case e.Value == "array" || e.Value == "object":
		what = "an " + e.Value
	default:
		what = "a " + e.Value
	}
	at := ""
	if e.Field != "" {
		at = fmt.Sprintf("%.80q: ", e.Field)
	}
	return fmt.Errorf("%sgot %.80s at byte %d, wanted %s", at, what, e.Offset, kind(e.Type))
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	}
	return "another value"
}
