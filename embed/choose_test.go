package embed

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/verdict"
)

// released is the selection of a release that passed on the CPU and on CoreML.
func released() []publish.Selected {
	row := func(provider, variant, cpu string, result verdict.Result, best bool) publish.Selected {
		return publish.Selected{Provider: provider, Variant: variant, CPU: cpu, Result: result, Best: best}
	}
	return []publish.Selected{
		row("cpu", "fp32", "", verdict.Pass, false),
		row("cpu", "int8", "", verdict.Pass, true),
		row("cpu", "int8", "arm64", verdict.Pass, true),
		row("coreml", "fp16-static128", "", verdict.Pass, true),
		row("cuda", "fp32", "", verdict.Fail, false),
	}
}

func has(names ...string) func(providers.Entry) bool {
	return func(e providers.Entry) bool {
		for _, n := range names {
			if e.Name == n {
				return true
			}
		}
		return false
	}
}

func TestTheFastestProvenVariantOfThisMachinesProviderIsChosen(t *testing.T) {
	for name, c := range map[string]struct {
		s                 settings
		here              []string
		provider, variant string
	}{
		"the CPU alone":                     {settings{}, []string{"cpu"}, "cpu", "int8"},
		"an accelerator before the CPU":     {settings{}, []string{"cpu", "coreml"}, "coreml", "fp16-static128"},
		"a provider that was named":         {settings{provider: "cpu"}, []string{"cpu", "coreml"}, "cpu", "int8"},
		"a variant that was named":          {settings{variant: "fp32"}, []string{"cpu", "coreml"}, "cpu", "fp32"},
		"a failed accelerator is not taken": {settings{}, []string{"cpu", "cuda"}, "cpu", "int8"},
		"named, and not looked for":         {settings{provider: "coreml"}, nil, "coreml", "fp16-static128"},
		"both":                              {settings{provider: "cpu", variant: "fp32"}, nil, "cpu", "fp32"},
		"not an emulated processor":         {settings{provider: "cpu", variant: "int8"}, nil, "cpu", "int8"},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := choose(released(), c.s, has(c.here...))
			require.NoError(t, err)
			assert.Equal(t, c.provider, x.Provider)
			assert.Equal(t, c.variant, x.Variant)
			assert.Empty(t, x.CPU)
		})
	}
}

func TestWhatTheReleaseDidNotProveIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		s    settings
		kind fault.Kind
		says string
	}{
		"a provider that failed": {settings{provider: "cuda"}, fault.Usage, "no proof of cuda × any variant"},
		"an unknown variant":     {settings{variant: "int4"}, fault.Usage, "no proof of any provider × int4"},
		"no provider here":       {settings{}, fault.Missing, "a machine without any of its providers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := choose(released(), c.s, has("cuda"))
			require.ErrorContains(t, err, c.says)
			assert.Equal(t, c.kind, fault.KindOf(err))
		})
	}
}
