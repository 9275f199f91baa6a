package candidate

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// maxManifest bounds candidate.json.
const maxManifest = 4 << 20

// Read reads a candidate directory and checks that it is exactly what its
// manifest says: every file and no other, each with its digest; model files
// that a runtime may be given, with the signature, opset and kind of numbers
// that the manifest claims; beside them files of the source alone. Errors are *fault.Error of kind Usage.
func Read(dir string) (Candidate, error) {
	bad := func(thing string, err error) (Candidate, error) {
		return Candidate{}, &fault.Error{
			Kind: fault.Usage, Thing: filepath.Join(dir, thing), Err: err,
			Next: "export the candidate again: embedgate export --out DIR",
		}
	}
	c, err := ReadManifest(dir)
	if err != nil {
		return c, err
	}
	if err := SameFiles(dir, c.Manifest); err != nil {
		return bad("", err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Manifest.Files)) {
		want := c.Manifest.Files[name]
		got, err := files.HashFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return bad(name, err)
		}
		if got != want {
			return bad(name, &files.DigestError{Got: got, Wanted: want})
		}
	}
	for _, v := range slices.Sorted(maps.Keys(c.Manifest.Variants)) {
		file := c.Manifest.Variants[v].File
		m, err := onnxfile.Read(filepath.Join(dir, file))
		if err != nil {
			return Candidate{}, err
		}
		if err := c.Manifest.agrees(c.Manifest.Variants[v], m); err != nil {
			return bad(file, err)
		}
	}
	return c, nil
}

// ReadManifest reads candidate.json alone: its files are not looked at.
func ReadManifest(dir string) (Candidate, error) {
	path := filepath.Join(dir, ManifestName)
	b, err := files.ReadCapped(path, maxManifest)
	var m Manifest
	if err == nil {
		m, err = ParseManifest(b)
	}
	if err != nil {
		return Candidate{}, &fault.Error{
			Kind: fault.Usage, Thing: path, Wanted: "a candidate's manifest", Err: err,
			Next: "name a directory that embedgate export wrote",
		}
	}
	return Candidate{Dir: dir, Manifest: m, Digest: files.HashBytes(b)}, nil
}

// ParseManifest reads candidate.json strictly.
func ParseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	return m, m.check()
}

func (m Manifest) check() error {
	if m.Schema != Schema {
		return fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	}
	if len(m.Variants) == 0 {
		return errors.New("variants: got none, wanted at least one")
	}
	e := m.Embedding
	if !slices.Contains([]Pooling{PoolMean, PoolCLS, PoolMax}, e.Pooling) || e.MaxTokens < 2 || e.MaxTokens > 1<<16 || e.Dimension < 1 || e.Dimension > 1<<16 {
		return fmt.Errorf("embedding: got %+v, wanted a pooling of mean, cls or max, 2 to 65536 tokens and 1 to 65536 dimensions", e)
	}
	if err := m.checkNames(); err != nil {
		return err
	}
	for n, v := range m.Variants {
		for _, c := range v.Choices {
			if !c.check() {
				return fmt.Errorf("variants.%s.choices: got %+.200v, wanted a weight's name, a form of int8 or int8-rows, a smoothing of 0 to 1, and units in rising order", n, c)
			}
		}
	}
	if _, ok := m.Files["tokenizer.json"]; !ok {
		return errors.New("files: got no tokenizer.json, wanted one")
	}
	return nil
}

// SameFiles returns an error unless dir holds candidate.json, the files that m names and
// nothing else. It does not look into them.
func SameFiles(dir string, m Manifest) error {
	want := m.Files
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if _, ok := want[rel]; !ok && rel != ManifestName {
			return fmt.Errorf("got %s, which %s does not name; wanted nothing beside what it names", rel, ManifestName)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s: got %s, wanted a regular file", rel, d.Type())
		}
		seen[rel] = true
		return nil
	})
	if err != nil {
		return err
	}
	for n := range want {
		if !seen[n] {
			return fmt.Errorf("got no %s, wanted all that %s names", n, ManifestName)
		}
	}
	return nil
}

// Seal computes the identity of every file in dir and reads each variant's
// signature and opset from its file, not from m; it writes
// candidate.json last and reads the whole back.
func Seal(dir string, m Manifest) (Candidate, error) {
	m.Schema, m.Files = Schema, map[string]File{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); rel == ManifestName {
			return nil
		}
		m.Files[rel], err = files.HashFile(p)
		return err
	})
	if err != nil {
		return Candidate{}, err
	}
	if m.Variants, err = withSignatures(dir, m.Variants); err != nil {
		return Candidate{}, err
	}
	b, err := m.Encode()
	if err != nil {
		return Candidate{}, err
	}
	if err := files.WriteAtomic(filepath.Join(dir, ManifestName), b); err != nil {
		return Candidate{}, err
	}
	return Read(dir)
}
