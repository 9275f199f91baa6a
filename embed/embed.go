package embed

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/evidence"
)

// maxTokenizer is far above the size of a tokenizer.json; tokenize.Load has the
// limits of what is in it.
const maxTokenizer = 64 << 20

// Model is an open model. It is safe for concurrent use.
type Model struct {
	session  providers.Session
	embedder *providers.Embedder
	release  publish.Report
	provider string
	variant  string
}

// Open opens the model of a release directory. It chooses the provider, variant
// and options as the release's selection and policy say; options change the
// choice. A release that does not have the digests of its manifest is refused.
// The caller closes the model.
func Open(ctx context.Context, dir string, options ...Option) (m *Model, err error) {
	var s settings
	for _, o := range options {
		o(&s)
	}
	r, err := publish.Open(ctx, dir)
	if err != nil {
		_ = r.Close() // nothing was used
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	chosen, err := choose(r.Manifest.Selection, s, func(e providers.Entry) bool {
		if _, _, ok := e.Available(); !ok {
			return false
		}
		_, _, ok := library.State(ctx, e, s.look(e))
		return ok
	})
	if err != nil {
		return nil, err
	}
	session, tok, err := open(ctx, r, chosen, s)
	if err != nil {
		return nil, err
	}
	return &Model{session, providers.NewEmbedder(tok, session), r, chosen.Provider, chosen.Variant}, nil
}

// open opens a session of the chosen variant as the gate saw it opened.
func open(ctx context.Context, r publish.Report, x publish.Selected, s settings) (providers.Session, *tokenize.Tokenizer, error) {
	e, ok := providers.Lookup(x.Provider)
	if !ok {
		return nil, nil, &fault.Error{Kind: fault.Usage, Thing: "release", Got: "provider " + x.Provider, Wanted: providers.KnownNames(), Next: "use a newer embedgate"}
	}
	modelDir := filepath.Join(r.Dir, publish.ModelDir)
	b, err := files.ReadCapped(filepath.Join(modelDir, "tokenizer.json"), maxTokenizer)
	if err != nil {
		return nil, nil, err
	}
	tok, err := tokenize.Load(b)
	if err != nil {
		return nil, nil, err
	}
	lib, err := library.Find(ctx, e, s.look(e))
	if err != nil {
		return nil, nil, err
	}
	var file candidate.Variant
	if file, ok = r.Candidate.Manifest.Variants[r.Policy.FileOf(x.Variant)]; !ok {
		return nil, nil, &fault.Error{Kind: fault.Refused, Thing: "release", Got: "no file of variant " + x.Variant + ", which its selection names", Wanted: "one", Next: "embedgate verify " + r.Dir}
	}
	session, err := ort.Open(ctx, ort.Config{
		Library: lib, Model: filepath.Join(modelDir, filepath.FromSlash(file.File)), Provider: x.Provider, Embedding: r.Candidate.Manifest.Embedding,
		Options: evidence.SessionOptions(r.Policy, x.Provider, x.Variant),
	})
	if err != nil {
		return nil, nil, err
	}
	return session, tok, nil
}

// Provider and Variant are what was chosen, such as "cpu" and "int8".
func (m *Model) Provider() string { return m.provider }

// Variant is the name of the release's variant that is open.
func (m *Model) Variant() string { return m.variant }

// Dim is the length of a vector.
func (m *Model) Dim() int { return m.session.Dim() }

// Embed returns a vector for each text, in order. A text longer than the model
// takes is cut, as in the proof.
func (m *Model) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	flat, err := m.embedder.Embed(ctx, texts, 0)
	if err != nil {
		return nil, err
	}
	dim := m.Dim()
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = flat[i*dim : (i+1)*dim : (i+1)*dim]
	}
	return vectors, nil
}

// Close frees the model. Calls that still run must have ended.
func (m *Model) Close() error { return errors.Join(m.session.Close(), m.release.Close()) }
