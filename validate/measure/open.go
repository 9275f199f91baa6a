package measure

import (
	"context"
	"fmt"
	"os"

	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/tokenize"
)

// opener opens a job's session on one runtime.
type opener func(ctx context.Context, e providers.Entry, j job) (providers.Session, error)

// openers is how each runtime of the catalogue is opened.
func openers() map[providers.Runtime]opener {
	return map[providers.Runtime]opener{
		providers.ONNXRuntime: func(ctx context.Context, e providers.Entry, j job) (providers.Session, error) {
			s, err := ort.Open(ctx, ort.Config{
				Library: providers.Library{Path: j.Library}, Model: j.Model, Provider: e.Name, Options: j.Options, Embedding: j.Embedding,
			})
			if err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}

// loaded is a tokenizer and a session of the same model, ready.
type loaded struct {
	tok     providers.Tokenizer
	session providers.Session
	embed   *providers.Embedder
}

// load opens what a job names.
func load(ctx context.Context, j job, with map[providers.Runtime]opener, tell *teller) (loaded, error) {
	e, ok := providers.Lookup(j.Provider)
	if !ok {
		return loaded{}, &fault.Error{Kind: fault.Usage, Thing: "provider " + j.Provider, Wanted: providers.KnownNames()}
	}
	open, ok := with[e.Runtime]
	if !ok {
		return loaded{}, fmt.Errorf("provider %s runs on %s, which this program cannot open", e.Name, e.Runtime)
	}
	b, err := os.ReadFile(j.Tokenizer)
	if err != nil {
		return loaded{}, err
	}
	tok, err := tokenize.Load(b)
	if err != nil {
		return loaded{}, err
	}
	s, err := open(ctx, e, j)
	if err != nil {
		return loaded{}, fromSession(err)
	}
	s = newPulse(s, tell)
	return loaded{tok: tok, session: s, embed: providers.NewEmbedder(tok, s)}, nil
}
