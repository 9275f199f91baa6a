package child

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// Opener opens a job's sessions on one runtime.
type Opener struct {
	Session func(ctx context.Context, e providers.Entry, j protocol.Job) (providers.Session, error)
	Record  func(ctx context.Context, e providers.Entry, j protocol.Job) (Recorder, error)
}

// Recorder is a session that writes down where nodes run.
type Recorder interface {
	Info() providers.Info
	// Run runs a batch once unrecorded, then runs times recorded.
	Run(ctx context.Context, b providers.Batch, runs int) error
	// Finish closes it and returns one record for each Run, in order.
	Finish() ([]providers.Placement, error)
	// Close gives up without a record; after Finish it does nothing.
	Close() error
}

// Openers returns how each runtime of the catalogue is opened.
func Openers() map[providers.Runtime]Opener {
	return map[providers.Runtime]Opener{
		providers.ONNXRuntime: {
			Session: func(ctx context.Context, e providers.Entry, j protocol.Job) (providers.Session, error) {
				s, err := ort.Open(ctx, ortConfig(e, j))
				if err != nil {
					return nil, err
				}
				return s, nil
			},
			Record: func(ctx context.Context, e providers.Entry, j protocol.Job) (Recorder, error) {
				r, err := ort.OpenRecorded(ctx, ortConfig(e, j))
				if err != nil {
					return nil, err
				}
				return r, nil
			},
		},
	}
}

func ortConfig(e providers.Entry, j protocol.Job) ort.Config {
	return ort.Config{Library: j.Library, Model: j.Model, Provider: e.Name, Options: j.Options, Embedding: j.Embedding}
}

// loaded is what any session of a job needs before it opens.
type loaded struct {
	tok    providers.Tokenizer
	entry  providers.Entry
	opener Opener
	took   time.Duration
}

// opened is a tokenizer and a session of the same model, ready.
type opened struct {
	tok     providers.Tokenizer
	session providers.Session
	embed   *providers.Embedder
}

// load finds all that a job names, except its session.
func load(j protocol.Job, with map[providers.Runtime]Opener) (l loaded, err error) {
	began := time.Now()
	var ok bool
	if l.entry, ok = providers.Lookup(j.Provider); !ok {
		return l, &fault.Error{Kind: fault.Usage, Thing: "provider " + j.Provider, Wanted: providers.KnownNames()}
	}
	if l.opener, ok = with[l.entry.Runtime]; !ok {
		return l, fmt.Errorf("provider %s runs on %s, which this program cannot open", l.entry.Name, l.entry.Runtime)
	}
	b, err := os.ReadFile(j.Tokenizer)
	if err != nil {
		return l, err
	}
	if l.tok, err = tokenize.Load(b); err != nil {
		return l, err
	}
	l.took = time.Since(began)
	return l, nil
}
