package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
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
	for channel, want := range map[string]map[int][]candidate.Precision{
		"local":   {16: {candidate.FP32, candidate.INT8}, 128: {}, 256: {}},
		"release": {16: {candidate.FP32, candidate.INT8}, 128: {candidate.FP32, candidate.INT8}, 256: {candidate.INT8}},
	} {
		for _, b := range p.Latency.Budgets {
			gated := []candidate.Precision{}
			for _, c := range []candidate.Precision{candidate.FP32, candidate.INT8} {
				if b.Gates(channel, c) {
					gated = append(gated, c)
				}
			}
			require.Equal(t, want[b.Tokens], gated, "%s, %d tokens", channel, b.Tokens)
		}
	}
	require.Len(t, p.Digest, 64)
	require.Equal(t, shipped(t), string(p.Raw))
}

func TestABadPolicyIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown key":                     {"schema: 2", "schema: 2\nlatencies: 3", "latencies"},
		"an unknown key deep inside":         {"launches: 20", "launches: 20\n  lunches: 3", "lunches"},
		"a key that is there twice":          {"schema: 2", "schema: 2\nschema: 2", "schema"},
		"another schema":                     {"schema: 2", "schema: 3", "schema: got 3, wanted 2"},
		"a gate without its threshold":       {"min_cosine: 0.999999, ", "", "parity.fp32.min_cosine: a gate needs its threshold"},
		"a budget that no clock can measure": {"{tokens: 16, batch: 1, percentile: 95, budget: 20ms,", "{tokens: 16, batch: 1, percentile: 95, budget: 9us,", "latency.budgets[0].budget: a gate needs its threshold; got 9µs, wanted 10µs or more"},
		"a budget without its time":          {"{tokens: 16, batch: 1, percentile: 95, budget: 20ms,", "{tokens: 16, batch: 1, percentile: 95,", "latency.budgets[0].budget: a gate needs its threshold"},
		"a budget of an unknown channel":     {"channels: [release]}", "channels: [nightly]}", `latency.budgets[1].channels: got "nightly", wanted some of ["local" "release"]`},
		"a channel in which nothing gates":   {"0.99}\n    # Gated where", "0.99, channels: [release]}\n    # Gated where", "channels.local requires cpu × fp32: got no line of latency.budgets that gates fp32 there"},
		"a class that nothing gates":         {"0.99}\n    # Gated where", "0.99, precisions: [fp32]}\n    # Gated where", "channels.local requires cpu × int8: got no line of latency.budgets that gates int8 there"},
		"a class without parity":             {"  int8: {min_cosine: 0.992, mean_cosine", "  int9: {min_cosine: 0.992, mean_cosine", "parity.int8 is missing"},
		"a class without invariance":         {"  tf32: {max_abs: 2e-3}\n", "", "invariance.tf32 is missing"},
		"an unknown class":                   {"fp32: {precision: fp32}", "fp32: {precision: fp64}", `"fp64"`},
		"a threshold that nothing can fail":  {"min_cosine: 0.999999", "min_cosine: -1", "got -1, wanted a number above 0"},
		"a threshold that is not a number":   {"max_abs: 5e-6, norm", "max_abs: .nan, norm", "parity.fp32.max_abs"},
		"an infinite threshold":              {"max_abs: 5e-6, norm", "max_abs: .inf, norm", "parity.fp32.max_abs"},
		"a channel that requires nothing":    {"require: [cpu]}", "require: []}", "requires nothing proves nothing"},
		"a channel with an unknown provider": {"require: [cpu]}", "require: [npu]}", `got "npu"`},
		"a variant that nobody defined":      {"variants: [fp32, int8]", "variants: [fp31, int8]", `got "fp31"`},
		"a variant twice":                    {"variants: [fp32, int8]", "variants: [int8, int8]", `"int8" is there twice`},
		"a way to run another way":           {"file: fp32, options", "file: tf32, options", `variants.tf32.file: got "tf32", wanted a variant that has a file of its own`},
		"a way to run nothing":               {"file: fp32, options", "file: fp31, options", `variants.tf32.file: got "fp31"`},
		"an option that is no C string":      {`{use_tf32: "1"}`, `{use_tf32: "1\0"}`, "without a NUL"},
		"a class of a variant that it lacks": {"effective_precision: {fp32-static128: fp16}", "effective_precision: {fp32: fp16}", `providers.coreml.effective_precision: got "fp32"`},
		"a class that is unknown":            {"effective_precision: {fp32-static128: fp16}", "effective_precision: {fp32-static128: fp17}", `providers.coreml.effective_precision.fp32-static128: got "fp17"`},
		"no placement":                       {"    placement: {min_flops: 1, allowed_fallback: []}\n", "", "providers.cpu.placement: a gate needs its threshold"},
		"placement without its share":        {"{min_flops: 1, ", "{", "providers.cpu.placement.min_flops: a gate needs its threshold"},
		"a share above one":                  {"{min_flops: 1, ", "{min_flops: 1.5, ", "got 1.5, wanted a number above 0, at most 1"},
		"a share of nodes of zero":           {"{min_flops: 1, ", "{min_flops: 1, min_nodes: 0, ", "providers.cpu.placement.min_nodes"},
		"an operator that is none":           {"{min_flops: 1, allowed_fallback: []}", `{min_flops: 1, allowed_fallback: ["Shape, Cast"]}`, `providers.cpu.placement.allowed_fallback: got "Shape, Cast"`},
		"an operator twice":                  {"{min_flops: 1, allowed_fallback: []}", "{min_flops: 1, allowed_fallback: [Cast, Cast]}", `"Cast" is there twice`},
		"too few texts":                      {"texts: 24", "texts: 2", "providers.webgpu.texts: got 2, wanted 3 or more, or 0 for all"},
		"too few samples":                    {"samples: 300", "samples: 100", "latency.samples: got 100, wanted 104 or more: with fewer, none over the budget is still too likely by chance to prove p95 at confidence 0.99 in one of 2 attempts"},
		"attempts without end":               {"attempts: 2", "attempts: 11", "latency.attempts: got 11, wanted 1 to 10"},
		"launches that share unequally":      {"launches: 5", "launches: 7", "providers.webgpu.launches: got 7, wanted a part of latency.samples (300)"},
		"a negative timeout":                 {"sampling_timeout: 8s", "sampling_timeout: -1s", "latency.sampling_timeout"},
		"a start that may take no time":      {"cold_start: {budget: 30s} # compiles its", "cold_start: {budget: 0s} # compiles its", "providers.webgpu.cold_start.budget"},
		"a process that may take no room":    {"memory: {budget: 6GiB}", "memory: {budget: 0}", "providers.cuda.memory.budget"},
		"a comparison with nobody":           {"worth_it: {provider: cpu", "worth_it: {provider: npu", `worth_it.provider: got "npu"`},
		"a comparison with a strange file":   {"worth_it: {provider: cpu, variant: fp32", "worth_it: {provider: cpu, variant: fp16", `worth_it.variant: got "fp16"`},
		"a comparison at no length":          {"tokens: [16, 128], rounds", "tokens: [], rounds", "worth_it.tokens: got none"},
		"a comparison at no real length":     {"tokens: [16, 128], rounds", "tokens: [1, 128], rounds", "worth_it.tokens: got 1"},
		"a length twice":                     {"tokens: [16, 128], rounds", "tokens: [16, 16], rounds", "worth_it.tokens: 16 is there twice"},
		"a comparison of no samples":         {"samples: 10", "samples: 0", "worth_it.samples"},
		"a comparison without its threshold": {"speedup: 1.0, ", "", "worth_it.speedup: a gate needs its threshold"},
		"a comparison nobody is sure of":     {"speedup: 1.0, confidence: 0.99", "speedup: 1.0, confidence: 0.4", "worth_it.confidence"},
		"rounds that can prove nothing":      {"rounds: 7", "rounds: 6", "worth_it.rounds: got 6, wanted 7 to 1000: winning all of fewer is more likely than 0.01 by chance alone"},
		"a digest that is too short":         {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "53aa", "64 lower-case hex"},
		"a file outside the source":          {"    vocab.txt:", "    ../vocab.txt:", "../vocab.txt"},
		"a source of an unknown kind":        {"source: pypi:", "source: ftp:", "model.source"},
		"a version that is a path":           {"version: 1.0.0", "version: ../1.0.0", "release.version"},
		"a percentile of 100":                {"percentile: 95", "percentile: 100", "percentile"},
		"samples that launches do not share": {"samples: 300", "samples: 301", "latency.samples"},
		"a size without a unit we know":      {"600MiB", "600MB", "600MiB"},
		"a processor that nobody emulates":   {"portability: [x86-64-v2, x86-64-v3, arm64]", "portability: [x86-64-v9]", "providers.cpu.portability"},
		"a processor twice":                  {"portability: [x86-64-v2, x86-64-v3, arm64]", "portability: [arm64, arm64]", "twice"},
		"processors that no provider names":  {"local: {require: [cpu]", "local: {portability: true, require: [cuda]", "channels.local.portability"},
		"an alias":                           {"fp32: {precision: fp32}", "fp32: &a {precision: fp32}\n  b: *a", "aliases"},
		"two documents":                      {"schema: 2", "schema: 2\n---\nschema: 2", "2 YAML documents"},
		"broken YAML":                        {"schema: 2", "schema: [1", "not YAML"},
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

func TestAProviderMayHaveBudgetsOfItsOwn(t *testing.T) {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, p.ColdStartOf("cpu"))
	require.Equal(t, policy.Bytes(600<<20), p.MemoryOf("cpu"))
	require.Equal(t, 30*time.Second, p.ColdStartOf("cuda"))
	require.Equal(t, policy.Bytes(6<<30), p.MemoryOf("cuda"))
	require.Equal(t, 5*time.Second, p.ColdStartOf("nobody"), "the policy's, where nothing else is said")
}

func TestAVariantMayBeAnotherWayToRunAFile(t *testing.T) {
	p, err := policy.Load("../../policy.yaml")
	require.NoError(t, err)
	require.Equal(t, "fp32", p.FileOf("tf32"))
	require.Equal(t, "int8", p.FileOf("int8"))
	require.Equal(t, map[string]string{"use_tf32": "1"}, p.OptionsOf("cuda", "tf32"), "the variant's own win")
	require.Equal(t, map[string]string{"use_tf32": "0"}, p.OptionsOf("cuda", "fp32"))
	require.Equal(t, candidate.FP32GPU, p.Class("cuda", "fp32"))
	require.Equal(t, candidate.TF32, p.Class("cuda", "tf32"))
	require.Equal(t, candidate.FP32, p.Class("cpu", "fp32"))
}

func TestTheRoundsThatAComparisonNeeds(t *testing.T) {
	for confidence, want := range map[float64]int{0.5: 1, 0.75: 2, 0.95: 5, 0.99: 7, 0.999: 10} {
		require.Equal(t, want, policy.RoundsFor(confidence), "%v", confidence)
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
	f.Add([]byte("schema: 2"))
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
