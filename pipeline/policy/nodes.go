package policy

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// checkNode refuses what the decoder would read wrongly or refuse without help:
// a number with a fraction where the policy has a whole one, which the YAML
// library cuts (1.5 becomes 1), and a key that schema 2 renamed. It follows the
// keys through the type t. Every other unknown key is left to the decoder.
func checkNode(n ast.Node, t reflect.Type, key string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.TagNode:
		return checkNode(n.Value, t, key)
	case *ast.MappingValueNode: // a mapping of one key
		return checkValue(n, t, key)
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := checkValue(v, t, key); err != nil {
				return err
			}
		}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, v := range n.Values {
			if err := checkNode(v, t.Elem(), fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return err
			}
		}
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode, *ast.StringNode:
		if isWhole(t) && fraction(n) {
			return fmt.Errorf("line %d: %s: got %s, wanted a whole number", n.GetToken().Position.Line, key, n)
		}
	}
	return nil
}

func checkValue(v *ast.MappingValueNode, t reflect.Type, key string) error {
	name := v.Key.GetToken().Value
	at := strings.TrimPrefix(key+"."+name, ".")
	switch t.Kind() {
	case reflect.Map:
		return checkNode(v.Value, t.Elem(), at)
	case reflect.Struct:
		for i := range t.NumField() {
			if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); tag == name {
				return checkNode(v.Value, t.Field(i).Type, at)
			}
		}
		if r, ok := renamedIn(t, name); ok {
			return fmt.Errorf("line %d: %s: got a key of schema 1, wanted its new name %s", v.Key.GetToken().Position.Line, at, r.new)
		}
	}
	return nil
}

// fraction reports whether a value that is no whole number would become one: the
// library reads texts such as "1.5" and 3e2 as numbers, too. Of other texts it
// says that they are none.
func fraction(n ast.Node) bool {
	s, text := n.(*ast.StringNode)
	if !text {
		return true
	}
	if _, err := strconv.ParseInt(s.Value, 0, 64); err == nil {
		return false
	}
	_, err := strconv.ParseFloat(s.Value, 64)
	return err == nil
}

// isWhole reports whether a value of t is a whole number and nothing else: times
// and sizes have words of their own.
func isWhole(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Duration]() || reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.BytesUnmarshaler]()) {
		return false
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
}
