package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// Each took minutes or all memory in the parser.
func TestADeepPolicyIsRefusedAtOnce(t *testing.T) {
	for name, b := range map[string]string{
		"brackets on one line": strings.Repeat("[", 1<<19),
		"brackets on lines":    strings.Repeat("[\n", 1<<18),
		"braces":               "a: " + strings.Repeat("{a: ", 1000),
		"lists in lists":       strings.Repeat("- ", 1<<18),
		"lists in short lines": strings.Repeat("- ", 1500) + "x",
		"a very long line":     "a: " + strings.Repeat("x", 1<<19),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := policy.Parse("policy.yaml", []byte(b))
			require.ErrorContains(t, err, "line ")
			require.Equal(t, fault.Usage, fault.KindOf(err))
			require.Less(t, time.Since(began), 30*time.Second)
		})
	}
}
