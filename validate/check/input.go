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
	// Graphs holds what ReadGraphs returns: what is known about each variant's
	// file, by variant. The placement of a variant without an entry cannot be
	// proven.
	Graphs map[string]Graph
	// Nonce is that of the plan which the evidence must answer; empty: any.
	Nonce    string
	Evidence []evidence.Evidence // in any order
	// Foreign says that somebody else exported the model. The source of its
	// weights is then reported and not judged, and the verdict says so: such a
	// model is never published.
	Foreign bool
}
