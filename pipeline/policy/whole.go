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

// whole refuses a number with a fraction where the policy has a whole one: the
// YAML library cuts 1.5 to 1 without a word. It looks at what the keys lead to
// in t; a key that does not fit is the decoder's to refuse.
func whole(n ast.Node, t reflect.Type, key string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := n.(type) {
	case *ast.TagNode:
		return whole(n.Value, t, key)
	case *ast.MappingValueNode: // a mapping of one key
		return wholeValue(n, t, key)
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := wholeValue(v, t, key); err != nil {
				return err
			}
		}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, v := range n.Values {
			if err := whole(v, t.Elem(), fmt.Sprintf("%s[%d]", key, i)); err != nil {
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

func wholeValue(v *ast.MappingValueNode, t reflect.Type, key string) error {
	name := v.Key.GetToken().Value
	at := strings.TrimPrefix(key+"."+name, ".")
	switch t.Kind() {
	case reflect.Map:
		return whole(v.Value, t.Elem(), at)
	case reflect.Struct:
		for i := range t.NumField() {
			if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); tag == name {
				return whole(v.Value, t.Field(i).Type, at)
			}
		}
	}
	return nil
}

// fraction tells whether a value that is no whole number would become one: the
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

// isWhole tells whether a value of t is a whole number and nothing else: times
// and sizes have words of their own.
func isWhole(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Duration]() || reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.BytesUnmarshaler]()) {
		return false
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
}
