package policy

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// renamedKey is a key of schema 1 that has another name in schema 2.
type renamedKey struct {
	in       reflect.Type // the struct that has the key
	at       string       // where it is in policy.yaml
	old, new string
}

var renamedKeys = []renamedKey{
	{reflect.TypeFor[Variant](), "variants.NAME", "of", "file"},
	{reflect.TypeFor[Latency](), "latency", "limit", "sampling_timeout"},
	{reflect.TypeFor[Budget](), "latency.budgets[]", "classes", "precisions"},
	{reflect.TypeFor[Provider](), "providers.NAME", "classes", "effective_precision"},
	{reflect.TypeFor[Placement](), "providers.NAME.placement", "elsewhere", "allowed_fallback"},
}

func renamedIn(t reflect.Type, old string) (renamedKey, bool) {
	for _, r := range renamedKeys {
		if r.in == t && r.old == old {
			return r, true
		}
	}
	return renamedKey{}, false
}

// checkSchema refuses a policy of another schema before its keys are looked at:
// a list of the renamed keys says more than the first unknown one.
func checkSchema(body ast.Node) error {
	var keys []*ast.MappingValueNode
	switch n := body.(type) {
	case *ast.MappingNode:
		keys = n.Values
	case *ast.MappingValueNode: // a mapping of one key
		keys = []*ast.MappingValueNode{n}
	}
	for _, k := range keys {
		if k.Key.GetToken().Value != "schema" {
			continue
		}
		// What is no whole number is left to the checks that follow.
		if got, err := strconv.Atoi(k.Value.GetToken().Value); err == nil && got != Schema {
			return wrongSchema(got)
		}
	}
	return nil
}

func wrongSchema(got int) error {
	if got != 1 {
		return fmt.Errorf("schema: got %d, wanted %d", got, Schema)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "schema: got 1, wanted %d. Rename these keys where the policy has them, then write schema: %d", Schema, Schema)
	for _, r := range renamedKeys {
		fmt.Fprintf(&b, "\n  %s.%s → %s", r.at, r.old, r.new)
	}
	return fmt.Errorf("%s", b.String())
}
