package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// renamed is every key of schema 1 that schema 2 renamed, with the line of the
// shipped policy that has it.
var renamed = []struct{ where, old, new, line, oldLine string }{
	{"variants.NAME", "of", "file", "tf32: {precision: tf32, file: fp32", "tf32: {precision: tf32, of: fp32"},
	{"latency", "limit", "sampling_timeout", "sampling_timeout: 8s", "limit: 8s"},
	{"latency.budgets[]", "classes", "precisions", "precisions: [int8]", "classes: [int8]"},
	{"providers.NAME", "classes", "effective_precision", "effective_precision: {fp32: fp32-gpu}", "classes: {fp32: fp32-gpu}"},
	{"providers.NAME.placement", "elsewhere", "allowed_fallback", "allowed_fallback: [Shape, Cast]", "elsewhere: [Shape, Cast]"},
}

func TestAPolicyOfSchema1IsRefusedWithTheRenamedKeys(t *testing.T) {
	s := strings.Replace(shipped(t), "schema: 2", "schema: 1", 1)
	for _, r := range renamed {
		require.Contains(t, s, r.line)
		s = strings.ReplaceAll(s, r.line, r.oldLine)
	}
	for name, content := range map[string]string{"all of it": s, "the schema alone": "schema: 1\n"} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse("policy.yaml", []byte(content))
			require.Equal(t, fault.Usage, fault.KindOf(err))
			require.ErrorContains(t, err, "policy.yaml")
			require.ErrorContains(t, err, "schema: got 1, wanted 2")
			for _, r := range renamed {
				require.ErrorContains(t, err, r.where+"."+r.old+" → "+r.new)
			}
		})
	}
}

func TestAnOldKeyInAPolicyOfSchema2IsRefusedWithItsNewName(t *testing.T) {
	for _, r := range renamed {
		t.Run(r.where+"."+r.old, func(t *testing.T) {
			_, err := policy.Parse("policy.yaml", []byte(strings.Replace(shipped(t), r.line, r.oldLine, 1)))
			require.Equal(t, fault.Usage, fault.KindOf(err))
			require.ErrorContains(t, err, "."+r.old+": got a key of schema 1, wanted its new name "+r.new)
			require.ErrorContains(t, err, "line ")
		})
	}
}
