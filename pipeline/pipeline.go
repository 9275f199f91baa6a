// Package pipeline is the flow: the ordered stages from policy to release, the
// state they hand on, and how progress is shown. A stage calls the package
// that does its work; the flow must not know how that work is done, and a
// stage must not know its neighbours.
package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
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
	measureAgain{},
	publishRelease{},
}

// Options is what a run was asked for.
type Options struct {
	PolicyFile string
	Channel    string
	Target     string   // "dist"
	Providers  []string // nil: all that the policy names
	Candidate  string   // a candidate directory to use instead of exporting; "": export
	Python     string   // interpreter of the export environment; "": build one
	OrtLib     string   // ONNX Runtime's library; "": the export environment's
	CacheDir   string   // "": the user's
	WorkDir    string   // where evidence and verdict are written and read again
	// Portability measures on the processors of the policy's portability, too,
	// even where the channel does not require it.
	Portability bool
	Executable  []string // the command line that starts a measuring child
}

// State is what the stages hand on. Each field is written by one stage, and
// the verdict by measureAgain too.
type State struct {
	Options Options
	Sink    progress.Sink

	Policy    policy.Policy       // readPolicy
	Candidate candidate.Candidate // exportCandidate
	Golden    golden.Set          // readGolden
	Evidence  []string            // measureAll: evidence directories
	Nonce     string              // measureAll: names this run's plan
	Verdict   verdict.Verdict     // judge
	Verdicts  string              // judge: the verdict's file
	Release   *publish.Result     // publishRelease; nil: nothing was published
}

// Run runs the stages in order and stops at the first error. The state says
// how far it came.
func Run(ctx context.Context, o Options, show *Printer) (*State, error) {
	s := &State{Options: o, Sink: show.Sink()}
	for _, st := range Stages {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		show.Stage(st.String())
		began := time.Now()
		if err := st.Run(ctx, s); err != nil {
			return s, fmt.Errorf("%s: %w", st, err)
		}
		if d := time.Since(began); d > 2*time.Second {
			s.Sink.Say("done in %s", d.Round(100*time.Millisecond))
		}
	}
	return s, nil
}
