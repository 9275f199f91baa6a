package pipeline

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/embedgate/embedgate/embed"
	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/setup"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/publish"
)

// Tokenizer is a release's tokenizer.
type Tokenizer struct {
	tok       *tokenize.Tokenizer
	maxTokens int
}

// OpenTokenizer opens the tokenizer of a release or candidate directory; "": of
// the newest release in dist/.
func OpenTokenizer(release string) (Tokenizer, error) {
	dir, err := orNewest(release)
	if err != nil {
		return Tokenizer{}, err
	}
	dir, man, err := readModelDir(dir)
	if err != nil {
		return Tokenizer{}, err
	}
	tok, err := loadTokenizer(dir)
	return Tokenizer{tok, man.Embedding.MaxTokens}, err
}

// IDs are a text's token ids.
func (t Tokenizer) IDs(text string) []int64 { return t.tok.Append(nil, text, t.maxTokens) }

// Model embeds texts.
type Model interface {
	Embed(ctx context.Context, texts []string) ([][]float32, error)
	Close() error
}

// Embed opens a model of a release or candidate directory; "": of the newest
// release in dist/. variant is one of its variants; "": the one that the
// release's selection names, or a candidate's fp32, of which nothing is proven.
// The caller closes the model.
func Embed(ctx context.Context, o Options, release, variant string) (Model, error) {
	release, err := orNewest(release)
	if err != nil {
		return nil, err
	}
	// What has a folder for the model is a release, and without its manifest a
	// broken one: its files have no digests to be checked against.
	if !cache.Exists(filepath.Join(release, publish.ManifestName)) && !cache.Exists(filepath.Join(release, publish.ModelDir)) {
		return openCandidate(ctx, o, release, cmp.Or(variant, "fp32"))
	}
	m, err := embed.Open(ctx, release, embed.WithVariant(variant), embed.WithLibrary(o.OrtLib),
		embed.WithProgress(func(message string) { o.sink().Say("%s", message) }))
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openCandidate opens a candidate's model on the CPU.
func openCandidate(ctx context.Context, o Options, dir, variant string) (Model, error) {
	dir, man, err := readModelDir(dir)
	if err != nil {
		return nil, err
	}
	tok, err := loadTokenizer(dir)
	if err != nil {
		return nil, err
	}
	v, ok := man.Variants[variant]
	if !ok {
		return nil, &fault.Error{Kind: fault.Usage, Thing: dir, Got: "no variant " + variant, Wanted: "one of the candidate's", Next: "--variant NAME"}
	}
	lib, err := setup.Libraries(o.setup())(ctx, "cpu")
	if err != nil {
		return nil, err
	}
	session, err := ort.Open(ctx, ort.Config{Library: lib, Model: filepath.Join(dir, v.File), Provider: "cpu", Embedding: man.Embedding})
	if err != nil {
		return nil, err
	}
	return candidateModel{session, providers.NewEmbedder(tok, session)}, nil
}

type candidateModel struct {
	providers.Session
	embedder *providers.Embedder
}

func (m candidateModel) Embed(ctx context.Context, texts []string) (vectors [][]float32, err error) {
	for _, text := range texts {
		v, err := m.embedder.EmbedOne(ctx, text, nil)
		if err != nil {
			return nil, err
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// orNewest returns release, or the newest release in dist/ where it is empty.
func orNewest(release string) (string, error) {
	if release != "" {
		return release, nil
	}
	return newestRelease("dist")
}

// readModelDir reads the model's manifest of a release or candidate directory,
// and returns the directory of the model's files.
func readModelDir(dir string) (string, candidate.Manifest, error) {
	var man candidate.Manifest
	// A release keeps its model in a folder of its own; a candidate directory
	// is as good.
	if m := filepath.Join(dir, publish.ModelDir); cache.Exists(m) {
		dir = m
	}
	b, err := os.ReadFile(filepath.Join(dir, candidate.ManifestName))
	if err != nil {
		return "", man, &fault.Error{Kind: fault.Usage, Thing: dir, Wanted: "a release directory", Err: err, Next: "embedgate run"}
	}
	if man, err = candidate.ParseManifest(b); err != nil {
		return "", man, &fault.Error{Kind: fault.Usage, Thing: filepath.Join(dir, candidate.ManifestName), Wanted: "a candidate manifest", Err: err, Next: "embedgate verify " + dir}
	}
	return dir, man, nil
}

func newestRelease(target string) (string, error) {
	entries, err := os.ReadDir(target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var newest string
	var at time.Time
	for _, e := range entries {
		i, err := e.Info()
		if err != nil || !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if newest == "" || i.ModTime().After(at) {
			newest, at = filepath.Join(target, e.Name()), i.ModTime()
		}
	}
	if newest == "" {
		return "", errNoRelease(target)
	}
	return newest, nil
}

func loadTokenizer(dir string) (*tokenize.Tokenizer, error) {
	b, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return nil, &fault.Error{Kind: fault.Usage, Thing: dir, Wanted: "a release directory with tokenizer.json", Err: err}
	}
	return tokenize.Load(b)
}

func errNoRelease(target string) error {
	return &fault.Error{Kind: fault.Missing, Thing: target, Got: "no release", Wanted: "one to embed with", Next: "embedgate run, or name one with --release DIR"}
}
