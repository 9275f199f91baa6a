// Package pipeline is the flow: the ordered stages from policy to release, the
// state they hand on, and how progress is shown. A stage calls the package
// that does its work; the flow must not know how that work is done, and a
// stage must not know its neighbours.
package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Stage is one step from policy to release.
type Stage interface {
	// String is the stage's name, as shown.
	String() string
	// Run does the step. It reads what earlier stages left in s and leaves
	// its own result there.
	Run(ctx context.Context, s *State) error
}

// Stages is the flow, in order.
var Stages = []Stage{
	readPolicy{},
	readGolden{}, // before the export, which takes minutes where the golden is missing
	exportCandidate{},
	measureAll{},
	judge{},
	remeasureUndecided{},
	publishRelease{},
}

// State is what the stages hand on. Each field is written by one stage, and
// the verdict by remeasureUndecided too.
type State struct {
	Options RunOptions

	WorkDir string // where evidence and verdict are written and read again

	inputs                      // readPolicy, readGolden, exportCandidate
	Evidence    []string        // measureAll: evidence directories
	Nonce       string          // measureAll: names this run's plan
	Verdict     verdict.Verdict // judge
	VerdictFile string          // judge
	Release     *publish.Result // publishRelease; nil: nothing was published
}

// Run runs the stages in order and stops at the first error. The state says
// how far it came.
func Run(ctx context.Context, o RunOptions) (*State, error) {
	work, done, err := workDir(o.Report)
	if err != nil {
		return nil, err
	}
	defer done()
	s := &State{Options: o, WorkDir: work}
	for _, st := range Stages {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		o.Show.Stage(st.String())
		began := time.Now()
		if err := st.Run(ctx, s); err != nil {
			return s, fmt.Errorf("%s: %w", st, err)
		}
		if d := time.Since(began); d > 2*time.Second {
			s.say("done in %s", d.Round(100*time.Millisecond))
		}
	}
	return s, nil
}

// say reports progress.
func (s *State) say(format string, args ...any) { s.Options.sink().Say(format, args...) }
