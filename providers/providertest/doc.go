// Package providertest is the one conformance suite that every provider
// passes: each rule of the providers.Session contract as a check. It must know a
// provider only by the function that opens a session and the Facts about the
// model. A fake passes it too, and a broken fake for each rule proves that the
// rule can fail.
package providertest

import (
	"sync"
	"testing"
	"time"

	"github.com/embedgate/embedgate/providers"
)

// T is what a rule needs of *testing.T: small, so that a test of the suite can
// watch a rule fail.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
}

// Open opens a fresh session, which the rule closes. It fails t if it cannot.
type Open func(t T) providers.Session

// Facts are what the suite must know about the model behind Open.
type Facts struct {
	Provider  string  // the name that Info must give
	Dim       int     // of one vector
	MaxTokens int     // of one row
	Vocab     int64   // ids are 0 ≤ id < Vocab
	Normalize bool    // vectors have norm 1
	Tolerance float64 // how far a vector may move with batch, padding, position
	SlowRows  int     // rows of MaxTokens that keep a run busy for some 50 ms, to cancel it
	Rounds    int     // of open-run-close in the leak rule; 0: 1,000, or 20 under -short
	// KeptBytes is how many bytes of a round the provider's own runtime keeps while
	// another session is open, which no code of ours can free. Opening and
	// running are then watched apart too, where nothing may be kept.
	KeptBytes int
	// KeepOneOpen keeps a session open beside each rule's own: a device may compile
	// for seconds what its first session runs, and drop it with the last one.
	// Two rules run without it: those about memory and about leaks.
	KeepOneOpen bool
	// Budget is how long the rounds may take: where one costs much, fewer are
	// run, and the log says how many. 0: a minute.
	Budget time.Duration
	// SettleRounds is how many rounds run before the first count: a driver may fill
	// caches of its own at first.
	SettleRounds int
	// OutOfMemoryRows is rows of MaxTokens that need over a gigabyte to run, while
	// their ids and vectors need little. 0: the rule about memory is skipped.
	OutOfMemoryRows int
	// DeviceLimits says that OutOfMemoryRows exceed what the provider's device takes by
	// itself, so that the process needs no limit: a driver may end the process under one.
	DeviceLimits bool

	limitMemory func(t T) (restore func()) // nil: memory is not limited
}

// Rule is one promise of the contract.
type Rule struct {
	Name  string
	Check func(t T, open Open, f Facts)
}

// Rules returns every rule, in the order in which they run.
func Rules() []Rule {
	return []Rule{
		{"it loads and says what was opened", loads},
		{"dimension and maximum are the model's", sizes},
		{"the same batch gives the same vectors", repeats},
		{"results are appended to what was there", appends},
		{"vectors are finite and normalised as configured", finite},
		{"different texts give different vectors", differs},
		{"an empty batch appends nothing", emptyBatch},
		{"one token is enough", oneToken},
		{"the maximum number of tokens is taken", maxTokens},
		{"more than the maximum is refused", beyondMax},
		{"wrong slice lengths are refused", wrongSlices},
		{"ids out of range are refused", outOfRange},
		{"it keeps and changes neither slice", keepsSlices},
		{"a vector does not change with batch, padding or position", invariant},
		{"several goroutines may use it", concurrent},
		{"a context that has ended runs nothing", cancelledBefore},
		{"cancelling in mid-run ends the run and not the session", cancelledMidRun},
		{"a queued run ends with its context", cancelledQueued},
		{"closing waits for the run in progress", closeWaits},
		{"a second close does nothing", closeTwice},
		{"use after close is ErrClosed", useAfterClose},
		{outOfMemoryRule, outOfMemory},
		{leakRule, leaks},
	}
}

// Run runs every rule as a subtest.
func Run(t *testing.T, open Open, f Facts) {
	t.Helper()
	if f.Rounds == 0 {
		f.Rounds = 1000
		if testing.Short() {
			f.Rounds = 20
		}
	}
	closeFirst := func() {}
	if f.KeepOneOpen {
		s := open(t)
		closeFirst = sync.OnceFunc(func() { mustClose(t, s) })
		defer closeFirst()
	}
	for _, r := range Rules() {
		t.Run(r.Name, func(t *testing.T) {
			if r.Name == outOfMemoryRule || r.Name == leakRule {
				closeFirst()
			}
			if r.Name == outOfMemoryRule {
				inLimitedChild(t, f, func(f Facts) { r.Check(t, open, f) })
				return
			}
			r.Check(t, open, f)
		})
	}
}
