package check

import (
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// DevicesWanted are those that the policy has a provider × variant compute on;
// nil where the provider makes no plan of them.
func DevicesWanted(c Case, provider, variant string) []string {
	e, _ := providers.Lookup(provider)
	return e.PlannedFor(e.OptionsWith(c.Policy.OptionsOf(provider, variant)))
}

// ExecutionProvider is the runtime's name for a provider; "" for one that the
// catalogue does not know.
func ExecutionProvider(provider string) string {
	e, _ := providers.Lookup(provider)
	return e.EP
}

// SetsOf is what a processor's programs must find there, no more and no less:
// with more, a runtime takes other kernels than the ones to be proven. ARM's
// differ from machine to machine.
var InstructionSetsOf = map[string][]string{
	"x86-64-v2": {evidence.SSE41},
	"x86-64-v3": {evidence.SSE41, evidence.AVX2},
}
