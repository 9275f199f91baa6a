package check

import (
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Input is everything that a verdict depends on. Gate changes nothing in it.
type Input struct {
	Policy    policy.Policy
	Channel   string // of the policy; says which providers must have passed
	Golden    golden.Set
	Candidate candidate.Candidate
	// Graphs holds what each variant's file says of itself, by variant, as
	// ReadGraphs gives it. Of a variant without an entry nothing is known, so
	// that its placement cannot be proven.
	Graphs map[string]Graph
	// Nonce is the plan that the evidence must answer; empty: any.
	Nonce    string
	Evidence []evidence.Evidence // in any order
	// Foreign says that the model is somebody else's export: where its weights
	// came from is then reported and not judged, and the verdict says so, for
	// such a model is never published.
	Foreign bool
}
