package golden

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// Schema is the version of golden.json.
const Schema = 1

const (
	// maxTexts limits the memory of the comparison of each text with each other,
	// which grows with the square. 2,048 texts take 32 MB, and are five times as
	// many as the built-in golden has.
	maxTexts = 2048
	maxFile  = 1 << 30

	// maxCrossCheck is the largest difference between the golden and
	// sentence-transformers' own float32 vectors. make_golden.py checks it too.
	maxCrossCheck = 2e-6
)

// To add a model, add its directory.
//
//go:embed */golden.json */golden.safetensors */texts.jsonl
var builtin embed.FS

// Manifest is golden.json.
type Manifest struct {
	Schema     int               `json:"schema"`
	Model      string            `json:"model"`
	Dim        int               `json:"dim"`
	Pooling    string            `json:"pooling"`
	Normalize  bool              `json:"normalize"`
	MaxTokens  int               `json:"max_tokens"`
	Texts      int               `json:"texts"`
	Source     map[string]string `json:"source"`      // slash path → sha256 of the files the vectors came from
	Versions   map[string]string `json:"versions"`    // libraries that computed them
	CrossCheck float64           `json:"cross_check"` // largest difference from sentence-transformers' encode
	Files      map[string]string `json:"files"`       // sha256 of the other two files
}

// Builtin returns the golden that comes with embedgate for a model; ok is false
// where there is none.
func Builtin(model string) (s Set, ok bool, err error) {
	if !fs.ValidPath(model) {
		return s, false, nil
	}
	d, err := fs.Sub(builtin, model)
	if err != nil {
		return s, false, nil
	}
	if _, err := fs.Stat(d, ManifestName); err != nil {
		return s, false, nil
	}
	s, err = readFS(d, "the built-in golden of "+model)
	return s, err == nil, err
}

// Read reads a golden directory and checks every digest, shape and number in
// it. Errors are *fault.Error of kind Usage.
func Read(dir string) (Set, error) { return readFS(os.DirFS(dir), dir) }

func readFS(d fs.FS, name string) (Set, error) {
	s, thing, err := read(d)
	if err != nil {
		return s, &fault.Error{
			Kind: fault.Usage, Thing: path.Join(name, thing), Err: err,
			Next: "make it again: embedgate golden --out DIR",
		}
	}
	return s, nil
}

func read(d fs.FS) (s Set, thing string, err error) {
	s.Files = map[string][]byte{}
	for _, f := range []string{ManifestName, TextsName, VectorsName} {
		if s.Files[f], err = files.ReadCappedFS(d, f, maxFile); err != nil {
			return s, f, err
		}
	}
	m, err := parseManifest(s.Files[ManifestName])
	if err != nil {
		return s, ManifestName, err
	}
	for _, f := range []string{TextsName, VectorsName} {
		if got := files.HashBytes(s.Files[f]); got != m.Files[f] {
			return s, f, fmt.Errorf("got sha256 %s, wanted %s", got, m.Files[f])
		}
	}
	s.Model, s.Dim, s.Normalize, s.Pooling, s.MaxTokens = m.Model, m.Dim, m.Normalize, m.Pooling, m.MaxTokens
	s.Source, s.Digest = m.Source, files.HashBytes(s.Files[ManifestName])
	if s.Texts, err = ParseTexts(s.Files[TextsName]); err != nil {
		return s, TextsName, err
	}
	if len(s.Texts) != m.Texts {
		return s, TextsName, fmt.Errorf("got %d texts, wanted %d", len(s.Texts), m.Texts)
	}
	if err := s.readVectors(); err != nil {
		return s, VectorsName, err
	}
	return s, "", nil
}

func parseManifest(b []byte) (m Manifest, err error) {
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	switch {
	case m.Schema != Schema:
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	case m.Dim < 1 || m.Dim > 1<<16 || m.MaxTokens < 2 || m.Texts < 1 || m.Texts > maxTexts:
		return m, fmt.Errorf("got dim %d, max_tokens %d, texts %d, wanted 1 to %d, 2 or more, 1 to %d", m.Dim, m.MaxTokens, m.Texts, 1<<16, maxTexts)
	case !slices.Contains([]string{"mean", "cls", "max"}, m.Pooling):
		return m, fmt.Errorf("pooling: got %q, wanted mean, cls or max", m.Pooling)
	case m.Model == "":
		return m, errors.New("model: got no name, wanted one")
	case !(m.CrossCheck >= 0 && m.CrossCheck <= maxCrossCheck):
		return m, fmt.Errorf("cross_check: got %g, wanted 0 to %g", m.CrossCheck, maxCrossCheck)
	case len(m.Files) != 2 || len(m.Source) == 0:
		return m, fmt.Errorf("got the digests of %d files and %d source files, wanted those of %s, %s and the source", len(m.Files), len(m.Source), TextsName, VectorsName)
	}
	for name, sum := range m.Source {
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size || !fs.ValidPath(name) {
			return m, fmt.Errorf("source: got %.80q with sha256 %.80q, wanted a slash path and 64 hex digits", name, sum)
		}
	}
	return m, nil
}

// Embedding returns the vector that the model should return for text i: the
// pooled vector, scaled to length 1 where the model normalises. It is a new
// slice.
func (s Set) Embedding(i int) []float64 {
	v := slices.Clone(s.Pooled[i*s.Dim : (i+1)*s.Dim])
	if !s.Normalize {
		return v
	}
	var sum float64
	for _, x := range v {
		sum += float64(x * x) // the conversion forbids a fused multiply-add, which other processors have
	}
	norm := max(math.Sqrt(sum), 1e-12) // torch.nn.functional.normalize's floor
	for j := range v {
		v[j] /= norm
	}
	return v
}
