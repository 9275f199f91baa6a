package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

func shipped(t testing.TB) string {
	b, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	return string(b)
}

func TestTheShippedPolicyIsGood(t *testing.T) {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	require.Equal(t, "all-MiniLM-L6-v2", p.Model.Name)
	require.Equal(t, 5e-6, *p.Parity[candidate.FP32].MaxAbs)
	require.Equal(t, 20*time.Millisecond, p.Latency.Budgets[0].Budget)
	require.Equal(t, policy.Bytes(600<<20), p.Memory.Budget)
	require.Equal(t, 300, p.Latency.Samples)
	require.True(t, p.Latency.Budgets[0].Gates(candidate.FP32))
	require.False(t, p.Latency.Budgets[2].Gates(candidate.FP32), "256 tokens are reported, not gated, for fp32")
	require.Len(t, p.Digest, 64)
	require.Equal(t, shipped(t), string(p.Raw))
}

func TestABadPolicyIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown key":                     {"schema: 1", "schema: 1\nlatencies: 3", "latencies"},
		"an unknown key deep inside":         {"launches: 3", "launches: 3\n  lunches: 3", "lunches"},
		"a key that is there twice":          {"schema: 1", "schema: 1\nschema: 1", "schema"},
		"another schema":                     {"schema: 1", "schema: 2", "schema: got 2, wanted 1"},
		"a gate without its threshold":       {"min_cosine: 0.999999, ", "", "parity.fp32.min_cosine: a gate needs its threshold"},
		"a budget without its time":          {"budget: 20ms, confidence: 0.99}\n    - {tokens: 128", "confidence: 0.99}\n    - {tokens: 128", "latency.budgets[0].budget: a gate needs its threshold"},
		"a class without parity":             {"fp32: {precision: fp32}", "fp32: {precision: int8}", "parity.int8 is missing"},
		"an unknown class":                   {"fp32: {precision: fp32}", "fp32: {precision: fp64}", `"fp64"`},
		"a threshold that nothing can fail":  {"min_cosine: 0.999999", "min_cosine: -1", "got -1, wanted a number above 0"},
		"a threshold that is not a number":   {"max_abs: 5e-6, norm", "max_abs: .nan, norm", "parity.fp32.max_abs"},
		"an infinite threshold":              {"max_abs: 5e-6, norm", "max_abs: .inf, norm", "parity.fp32.max_abs"},
		"a channel that requires nothing":    {"require: [cpu]}", "require: []}", "requires nothing proves nothing"},
		"a channel with an unknown provider": {"require: [cpu]}", "require: [npu]}", `got "npu"`},
		"a variant that nobody defined":      {"cpu: {variants: [fp32]}", "cpu: {variants: [fp31]}", `got "fp31"`},
		"a digest that is too short":         {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "53aa", "64 lower-case hex"},
		"a file outside the source":          {"    vocab.txt:", "    ../vocab.txt:", "../vocab.txt"},
		"a source of an unknown kind":        {"source: pypi:", "source: ftp:", "model.source"},
		"a version that is a path":           {"version: 1.0.0", "version: ../1.0.0", "release.version"},
		"a percentile of 100":                {"percentile: 95", "percentile: 100", "percentile"},
		"samples that launches do not share": {"samples: 300", "samples: 301", "latency.samples"},
		"a size without a unit we know":      {"600MiB", "600MB", "600MiB"},
		"an alias":                           {"fp32: {precision: fp32}", "fp32: &a {precision: fp32}\n  b: *a", "aliases"},
		"two documents":                      {"schema: 1", "schema: 1\n---\nschema: 1", "2 YAML documents"},
		"broken YAML":                        {"schema: 1", "schema: [1", "not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			s := shipped(t)
			require.Contains(t, s, c.old)
			_, err := policy.Parse("policy.yaml", []byte(strings.Replace(s, c.old, c.new, 1)))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "policy.yaml")
			require.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestAMissingPolicySaysWhatToDo(t *testing.T) {
	_, err := policy.Load(filepath.Join(t.TempDir(), "policy.yaml"))
	require.ErrorContains(t, err, "no such file")
	require.ErrorContains(t, err, "--policy")
	require.Equal(t, fault.Usage, fault.KindOf(err))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shipped(f)))
	f.Add([]byte("schema: 1"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? {a: b}\n: - c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.Parse("policy.yaml", b)
		if err != nil {
			require.Equal(t, fault.Usage, fault.KindOf(err))
			return
		}
		require.NotEmpty(t, p.Channels)
		require.NotEmpty(t, p.Latency.Budgets)
	})
}
