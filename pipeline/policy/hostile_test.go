package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/tools/bench/hostile"
)

// Each took minutes or all memory in the parser.
func deep() map[string]string {
	return map[string]string{
		"brackets on one line": strings.Repeat("[", 1<<15),
		"brackets on lines":    strings.Repeat("[\n", 1<<14),
		"braces":               "a: " + strings.Repeat("{a: ", 1000),
		"lists in lists":       strings.Repeat("- ", 1<<14),
		"lists in short lines": strings.Repeat("- ", 1500) + "x",
		"a very long line":     "a: " + strings.Repeat("x", 1<<15),
	}
}

// BenchmarkHostilePolicy is the worst of these, and of files with as many keys
// and as large as they may be.
func BenchmarkHostilePolicy(b *testing.B) {
	var cases []hostile.Case
	add := func(name string, content func() []byte) {
		cases = append(cases, hostile.File(name, "policy.yaml", content, func(path string) error {
			_, err := policy.Load(path)
			return err
		}))
	}
	for name, s := range deep() {
		add(name, func() []byte { return []byte(s) })
	}
	add("many keys", func() []byte { return hostile.Numbered(64<<10, "", "k%d: 1\n", "") })
	add("many variants", func() []byte { return hostile.Numbered(64<<10, "variants:\n", "  v%d: {precision: fp32}\n", "") })
	add("many documents", func() []byte { return hostile.Numbered(64<<10, "", "--- %d\n", "") })
	add("a list of lists", func() []byte { return hostile.Numbered(64<<10, "a:\n", "- [%d, [1, [2]]]\n", "") })
	add("16 MiB", func() []byte { return hostile.Fill("", "a: 1\n", "") })
	hostile.Bench(b, cases...)
}

func TestADeepPolicyIsRefusedAtOnce(t *testing.T) {
	for name, b := range deep() {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := policy.Parse("policy.yaml", []byte(b))
			require.ErrorContains(t, err, "line ")
			require.Equal(t, fault.Usage, fault.KindOf(err))
			require.Less(t, time.Since(began), 30*time.Second)
		})
	}
}

// As many keys as fit were minutes of work in the parser, when more fitted.
func TestAPolicyOfManyKeysIsAnsweredAtOnce(t *testing.T) {
	began := time.Now()
	_, err := policy.Parse("policy.yaml", hostile.Numbered(1<<20, "", "k%d: 1\n", ""))
	require.ErrorContains(t, err, "got over 65536 bytes")
	require.Equal(t, fault.Usage, fault.KindOf(err))
	require.Less(t, time.Since(began), 30*time.Second)
}
