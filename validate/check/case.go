package check

import (
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// A Case is one provider × variant with everything that a check may read.
// Checks change nothing in it.
type Case struct {
	Policy    policy.Policy
	Golden    *Reference // of the plan's texts
	Candidate candidate.Candidate
	Graph     Graph // of the variant's file
	Nonce     string
	CPU       string // of the policy's portability; "": the machine's own
	Channel   string // of the policy: says which latency budgets gate
	Foreign   bool
	Class     candidate.Precision // to which the policy holds this provider's variant
	Plan      evidence.Plan       // what the policy wants measured
	Evidence  evidence.Evidence
	// NumbersRefused reports whether integrity refused the evidence's numbers.
	// No check that UsesNumbers is run then.
	NumbersRefused bool
}

// A Result is what one check finds in a case.
type Result struct {
	Findings  []verdict.Finding
	Latency   []verdict.LatencySummary
	Parity    *verdict.ParitySummary
	Placement []verdict.PlacementSummary
	Worth     []verdict.WorthSummary
	Bits      float64
}

// A Check is one thing that the gate proves, together with the known-bad cases
// that it must refuse in every run. A check without a known-bad case fails the
// self-test: nothing would show that it can refuse anything.
type Check struct {
	Name string
	// Applies reports whether there is anything to prove about a case. It looks
	// at its plan, policy and graph, never at its evidence. Nil: always.
	Applies func(Case) bool
	// Portable says that the check also judges evidence for another processor,
	// where nothing is timed and no placement is recorded.
	Portable bool
	// Static says that the check looks at the file alone, so that it also runs
	// where there is no evidence.
	Static bool
	// HasData reports whether evidence that ends with a crash still has what
	// this check looks at.
	HasData func(evidence.Evidence) bool
	// UsesNumbers says that the check computes much from the evidence's
	// numbers. It is not run where integrity refused them.
	UsesNumbers bool
	Judge       func(Case) Result
	KnownBad    []BadCase
	// ChangesVectors says that known-bad cases change vectors or ids, and need
	// copies of them. These are most of the evidence's bytes, so the cases of
	// other checks share those of the good case.
	ChangesVectors bool
}

// Concerns reports whether a check is run on a case.
func (k Check) Concerns(c Case) bool {
	return (c.CPU == "" || k.Portable) && (k.Applies == nil || k.Applies(c))
}

// A BadCase makes one change to a good case that the check must refuse.
type BadCase struct {
	Name string
	// Item is the beginning of the name of the finding that must refuse the
	// case; empty: any finding of the check.
	Item string
	// Want is the result that it must get; empty: Fail.
	Want verdict.Result
	// Spoil changes the case. The case's evidence is a copy; its vectors and
	// ids are copies only where the check has ChangesVectors. Spoil returns
	// false where there is nothing to change, such as a budget that does not
	// gate.
	Spoil func(*Case) bool
}
