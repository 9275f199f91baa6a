package golden

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"

	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/pipeline/fault"
)

// Schema is the version of golden.json.
const Schema = 1

const (
	maxTexts = 1 << 20
	maxFile  = 1 << 30
)

//go:embed all-MiniLM-L6-v2
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
	CrossCheck float64           `json:"cross_check"` // largest difference from sentence-transformers
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
		if s.Files[f], err = readFile(d, f); err != nil {
			return s, f, err
		}
	}
	m, err := parseManifest(s.Files[ManifestName])
	if err != nil {
		return s, ManifestName, err
	}
	for _, f := range []string{TextsName, VectorsName} {
		if got := digest(s.Files[f]); got != m.Files[f] {
			return s, f, fmt.Errorf("got sha256 %s, wanted %s", got, m.Files[f])
		}
	}
	s.Model, s.Dim, s.Normalize, s.Pooling, s.MaxTokens = m.Model, m.Dim, m.Normalize, m.Pooling, m.MaxTokens
	s.Source, s.Versions, s.Digest = m.Source, m.Versions, digest(s.Files[ManifestName])
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

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func readFile(d fs.FS, name string) ([]byte, error) {
	i, err := fs.Stat(d, name)
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > maxFile {
		return nil, fmt.Errorf("got %d bytes (%s), wanted a regular file of at most %d", i.Size(), i.Mode(), int64(maxFile))
	}
	return fs.ReadFile(d, name)
}

func parseManifest(b []byte) (m Manifest, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("got more after the JSON object, wanted nothing")
	}
	switch {
	case m.Schema != Schema:
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	case m.Dim < 1 || m.Dim > 1<<16 || m.MaxTokens < 2 || m.Texts < 1 || m.Texts > maxTexts:
		return m, fmt.Errorf("got dim %d, max_tokens %d, texts %d, wanted all above zero and sane", m.Dim, m.MaxTokens, m.Texts)
	case !slices.Contains([]string{"mean", "cls", "max"}, m.Pooling):
		return m, fmt.Errorf("pooling: got %q, wanted mean, cls or max", m.Pooling)
	}
	return m, nil
}

// line is a line of texts.jsonl.
type line struct {
	ID     string  `json:"id"`
	Group  string  `json:"group"`
	Text   *string `json:"text"`
	Base64 *string `json:"base64"` // for bytes that are not UTF-8
	Pair   string  `json:"pair"`
	Role   string  `json:"role"`
}

// ParseTexts reads texts.jsonl.
func ParseTexts(b []byte) (texts []Text, err error) {
	seen := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	for n := 1; ; n++ {
		var l line
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return texts, nil
		} else if err != nil {
			return nil, fmt.Errorf("text %d: %w", n, err)
		}
		t := Text{ID: l.ID, Group: l.Group, Pair: l.Pair, Role: l.Role}
		switch {
		case l.ID == "" || l.Group == "" || seen[l.ID]:
			return nil, fmt.Errorf("text %d: got id %q and group %q, wanted a group and an id of its own", n, l.ID, l.Group)
		case (l.Text == nil) == (l.Base64 == nil):
			return nil, fmt.Errorf("text %d: wanted either text or base64", n)
		case (l.Pair == "") != (l.Role == "") || (l.Role != "" && !slices.Contains([]string{"anchor", "paraphrase", "near-miss"}, l.Role)):
			return nil, fmt.Errorf("text %d: got pair %q and role %q, wanted both or none; anchor, paraphrase or near-miss", n, l.Pair, l.Role)
		case l.Text != nil:
			t.Bytes = []byte(*l.Text)
		default:
			if t.Bytes, err = base64.StdEncoding.DecodeString(*l.Base64); err != nil {
				return nil, fmt.Errorf("text %d: base64: %w", n, err)
			}
		}
		seen[l.ID] = true
		texts = append(texts, t)
		if len(texts) > maxTexts {
			return nil, fmt.Errorf("got over %d texts", maxTexts)
		}
	}
}

func (s *Set) readVectors() error {
	f, err := safetensors.Parse(s.Files[VectorsName])
	if err != nil {
		return err
	}
	n := len(s.Texts)
	pooled, shape, err := f.F64("pooled")
	if err != nil {
		return err
	}
	if !slices.Equal(shape, []int{n, s.Dim}) {
		return fmt.Errorf("pooled: got shape %v, wanted [%d %d]", shape, n, s.Dim)
	}
	for i, v := range pooled {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("pooled: got %v for text %s, wanted numbers", v, s.Texts[i/s.Dim].ID)
		}
	}
	ids, _, err := f.I32("ids")
	if err != nil {
		return err
	}
	offsets, _, err := f.I64("offsets")
	if err != nil {
		return err
	}
	if len(offsets) != n+1 || offsets[0] != 0 || offsets[n] != int64(len(ids)) {
		return fmt.Errorf("offsets: got %d of them for %d ids, wanted %d from 0 to the ids' count", len(offsets), len(ids), n+1)
	}
	s.Pooled, s.IDs = pooled, make([][]int64, n)
	for i := range n {
		a, b := offsets[i], offsets[i+1]
		if b-a < 2 || b-a > int64(s.MaxTokens) || b > int64(len(ids)) {
			return fmt.Errorf("offsets: got %d tokens for text %s, wanted 2 to %d", b-a, s.Texts[i].ID, s.MaxTokens)
		}
		row := make([]int64, 0, b-a)
		for _, id := range ids[a:b] {
			row = append(row, int64(id))
		}
		s.IDs[i] = row
	}
	return nil
}

// Embedding returns what the model should give for text i: the pooled vector,
// scaled to length 1 where the model normalises. It is a new slice.
func (s Set) Embedding(i int) []float64 {
	v := slices.Clone(s.Pooled[i*s.Dim : (i+1)*s.Dim])
	if !s.Normalize {
		return v
	}
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	norm := max(math.Sqrt(sum), 1e-12) // torch.nn.functional.normalize's floor
	for j := range v {
		v[j] /= norm
	}
	return v
}
