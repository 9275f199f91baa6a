package check

import (
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// DevicesWanted returns the devices on which a provider × variant must compute
// by the policy. It is nil where the provider makes no device plan.
func DevicesWanted(c Case, provider, variant string) []string {
	e, _ := providers.Lookup(provider)
	return e.PlannedFor(e.OptionsWith(c.Policy.OptionsOf(provider, variant)))
}

// ExecutionProvider returns the runtime's name of a provider. It is empty for
// one that the catalogue does not know.
func ExecutionProvider(provider string) string {
	e, _ := providers.Lookup(provider)
	return e.EP
}

// InstructionSetsOf are the instruction sets that a program must find on a
// processor, no more and no fewer: with more, a runtime chooses other kernels
// than the ones to be proven. ARM processors differ, and have no entry.
var InstructionSetsOf = map[string][]string{
	"x86-64-v2": {evidence.SSE41},
	"x86-64-v3": {evidence.SSE41, evidence.AVX2},
}
