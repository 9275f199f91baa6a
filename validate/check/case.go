package check

import (
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// A Case is one provider × variant with everything that a check may look
// at. Checks change nothing in it.
type Case struct {
	Policy    policy.Policy
	Golden    *Reference // of the plan's texts
	Candidate candidate.Candidate
	Graph     Graph // of the variant's file
	Nonce     string
	CPU       string // of the policy's portability; "": the machine's own
	Channel   string // of the policy: says which latency lines gate
	Foreign   bool
	Class     candidate.Precision // to which the policy holds this provider's variant
	Plan      evidence.Plan       // what the policy wants measured
	Evidence  evidence.Evidence
	// Unfit tells that integrity failed in a way that makes the evidence's
	// numbers worthless: no check that studies them is asked.
	NumbersRefused bool
}

// An Result is what one check says of a case.
type Result struct {
	Findings  []verdict.Finding
	Latency   []verdict.LatencySummary
	Parity    *verdict.ParitySummary
	Placement []verdict.PlacementSummary
	Worth     []verdict.WorthSummary
	Bits      float64
}

// A Check is one thing that the gate proves, together with the known-bad cases
// that it must refuse in every run. A check without one would be believed
// unproven, and fails the self-test.
type Check struct {
	Name string
	// Applies tells whether there is anything to prove of a case, by its plan,
	// policy and graph, never by its evidence. Nil: always.
	Applies func(Case) bool
	// Portable tells that it is also proven of evidence for another processor,
	// where nothing is timed or recorded.
	Portable bool
	// Static tells that it is judged by the file alone, so that it is also
	// asked of what nobody measured.
	Static bool
	// Holds tells whether evidence that a crash cut short still has what this
	// check looks at.
	HasData func(evidence.Evidence) bool
	// Studies tells that it computes much from the evidence's numbers, and so
	// is not asked where integrity says that they are not those of the plan.
	UsesNumbers bool
	Judge       func(Case) Result
	KnownBad    []BadCase
	// Raw tells that bad cases change vectors or ids, of which they then get
	// copies. Those are most of what evidence holds, so that other checks'
	// cases share the base's own.
	ChangesVectors bool
}

// Concerns tells whether a check is asked about a case.
func (k Check) Concerns(c Case) bool {
	return (c.CPU == "" || k.Portable) && (k.Applies == nil || k.Applies(c))
}

// A BadCase spoils a good case in one way.
type BadCase struct {
	Name string
	// Item begins the name of the finding that must refuse it; empty: any of
	// the check's.
	Item string
	// Want is the result that it must get; empty: Fail.
	Want verdict.Result
	// Spoil changes the case, whose evidence is a copy of its own but for the
	// vectors and ids, of which only a check with raw gets copies. It returns
	// false where there is nothing to spoil, such as a budget that gates
	// nothing.
	Spoil func(*Case) bool
}
