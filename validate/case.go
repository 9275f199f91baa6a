package validate

import (
	"fmt"
	"math"
	"strconv"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// A gateCase is one provider × variant with everything that a check may look
// at. Checks change nothing in it.
type gateCase struct {
	policy    policy.Policy
	golden    *reference // of the plan's texts
	candidate candidate.Candidate
	graph     Graph // of the variant's file
	nonce     string
	cpu       string // of the policy's portability; "": the machine's own
	channel   string // of the policy: says which latency lines gate
	foreign   bool
	class     candidate.Precision // to which the policy holds this provider's variant
	plan      Plan                // what the policy wants measured
	evidence  Evidence
	// unfit tells that integrity failed in a way that makes the evidence's
	// numbers worthless: no check that studies them is asked.
	unfit bool
}

// An opinion is what one check says of a case.
type opinion struct {
	findings  []Finding
	latency   []LatencySummary
	parity    *ParitySummary
	placement []PlacementSummary
	worth     []WorthSummary
	bits      float64
}

// A check is one thing that the gate proves, together with the known-bad cases
// that it must refuse in every run. A check without one would be believed
// unproven, and fails the self-test.
type check struct {
	name string
	// applies tells whether there is anything to prove of a case, by its plan,
	// policy and graph, never by its evidence. Nil: always.
	applies func(gateCase) bool
	// portable tells that it is also proven of evidence for another processor,
	// where nothing is timed or recorded.
	portable bool
	// static tells that it is judged by the file alone, so that it is also
	// asked of what nobody measured.
	static bool
	// holds tells whether evidence that a crash cut short still has what this
	// check looks at.
	holds func(Evidence) bool
	// studies tells that it computes much from the evidence's numbers, and so
	// is not asked where integrity says that they are not those of the plan.
	studies bool
	judge   func(gateCase) opinion
	bad     []badCase
	// raw tells that bad cases change vectors or ids, of which they then get
	// copies. Those are most of what evidence holds, so that other checks'
	// cases share the base's own.
	raw bool
}

// concerns tells whether a check is asked about a case.
func (k check) concerns(c gateCase) bool {
	return (c.cpu == "" || k.portable) && (k.applies == nil || k.applies(c))
}

// A badCase spoils a good case in one way.
type badCase struct {
	name string
	// item begins the name of the finding that must refuse it; empty: any of
	// the check's.
	item string
	// want is the result that it must get; empty: Fail.
	want Result
	// spoil changes the case, whose evidence is a copy of its own but for the
	// vectors and ids, of which only a check with raw gets copies. It returns
	// false where there is nothing to spoil, such as a budget that gates
	// nothing.
	spoil func(*gateCase) bool
}

// checks is everything that the gate proves, in the order in which it is shown.
// A new check is a value of its own in a file of its own, added here.
func checks() []check {
	return []check{
		integrityCheck(),
		readinessCheck(),
		saturationCheck(),
		placementCheck(),
		tokensCheck(),
		parityCheck(),
		precisionCheck(),
		invarianceCheck(),
		latencyCheck(),
		worthCheck(),
		coldStartCheck(),
		memoryCheck(),
		portabilityCheck(),
	}
}

// problems collects what is wrong with one item.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// finding is Pass without problems; else Fail, naming the first one.
func (p problems) finding(f Finding) Finding {
	f.Value = float64(len(p))
	if len(p) == 0 {
		f.Result, f.Next = Pass, ""
		return f
	}
	f.Result, f.Measured = Fail, p[0]
	if n := len(p) - 1; n > 0 {
		f.Measured += fmt.Sprintf(" (and %d more)", n)
	}
	return f
}

// short is a digest as shown to people.
func short(digest string) string {
	if digest == "" {
		return "none"
	}
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

// plural counts things in words.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// number writes a measured value so that a difference from a threshold shows.
func number(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-3 || a >= 1e6) {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// cosineText writes nine digits: an fp32 threshold has six nines.
func cosineText(v float64) string { return strconv.FormatFloat(v, 'f', 9, 64) }

// settled makes v fit for a verdict: JSON has no NaN, and beyond ten digits
// processors may differ, where verdicts must not.
func settled(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	s, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	if err != nil {
		return 0
	}
	return s
}
