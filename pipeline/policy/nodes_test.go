package policy

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

// The YAML library cuts a fraction off, and the policy would mean something
// that nobody wrote.
func TestAFractionForAWholeNumberIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"schema: 1.0":                                                      "line 1: schema: got 1.0, wanted a whole number",
		"schema: !!int 1.5":                                                "line 1: schema: got 1.5, wanted a whole number",
		"schema: 2\nlatency:\n  samples: 1.5":                              "line 3: latency.samples: got 1.5, wanted a whole number",
		"latency: {launches: 3, samples: 3e2}":                             "line 1: latency.samples: got 3e2, wanted a whole number",
		`latency: {samples: "1.5"}`:                                        `line 1: latency.samples: got "1.5", wanted a whole number`,
		"latency: {samples: .inf}":                                         "line 1: latency.samples: got .inf, wanted a whole number",
		"latency: {budgets: [{tokens: 16, batch: 1}, {tokens: 16.5}]}":     "line 1: latency.budgets[1].tokens: got 16.5, wanted a whole number",
		"parity: {fp32: {rank: {top_k: 9.9}}}":                             "line 1: parity.fp32.rank.top_k: got 9.9, wanted a whole number",
		"providers: {cpu: {threads: 0.5}}":                                 "line 1: providers.cpu.threads: got 0.5, wanted a whole number",
		"worth_it:\n  speedup: 1.5\n  tokens: [16, 128.25]\n  rounds: 7.5": "line 3: worth_it.tokens[1]: got 128.25, wanted a whole number",
	} {
		_, err := Parse("p.yaml", []byte(in+"\n"))
		require.ErrorContains(t, err, want, in)
		assert.Equal(t, fault.Usage, fault.KindOf(err), in)
	}
}

// Each whole number of the shipped policy, with a fraction put to it.
func TestEveryWholeNumberOfThePolicyIsLookedAt(t *testing.T) {
	b, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	_, err = Parse("policy.yaml", b)
	require.NoError(t, err)
	for _, line := range []string{"schema: 2\n", "launches: 20", "samples: 300", "attempts: 2"} {
		require.Equal(t, 1, strings.Count(string(b), line), "%q", line)
		spoilt := strings.Replace(string(b), strings.TrimSpace(line), strings.TrimSpace(line)+".5", 1)
		_, err := Parse("policy.yaml", []byte(spoilt))
		require.ErrorContains(t, err, "wanted a whole number", line)
	}
}

func TestTimesAndSizesAreNoWholeNumbers(t *testing.T) {
	assert.False(t, isWhole(reflect.TypeFor[Limit]().Field(0).Type))
	assert.False(t, isWhole(reflect.TypeFor[Bytes]()))
	assert.True(t, isWhole(reflect.TypeFor[int]()))
	assert.False(t, isWhole(reflect.TypeFor[float64]()))
}
