package validate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// The largest evidence files that are read, in bytes. Real ones are some
// hundred KB and some MB.
const (
	maxEvidence = 4 << 20
	maxVectors  = 256 << 20
)

// ReadEvidence reads an evidence directory and checks it against itself: the
// JSON is strict, vectors.safetensors is there exactly when evidence.json names
// its sha256, and has it. Other files of the directory are not looked at. Every
// error that the input causes is a fault of kind Usage and names the file.
func ReadEvidence(dir string) (Evidence, error) {
	data, err := readCapped(filepath.Join(dir, EvidenceName), maxEvidence)
	if err != nil {
		return Evidence{}, inDir(dir, EvidenceName, err)
	}
	e, err := parseEvidence(data)
	if err != nil {
		return Evidence{}, inDir(dir, EvidenceName, err)
	}
	raw, err := readCapped(filepath.Join(dir, VectorsName), maxVectors)
	switch {
	case e.VectorsSHA256 == "" && errors.Is(err, fs.ErrNotExist):
		return e, nil
	case err != nil:
		return Evidence{}, inDir(dir, VectorsName, err)
	case digest(raw) != e.VectorsSHA256:
		wanted := "sha256 " + clip(e.VectorsSHA256) + ", which " + EvidenceName + " names"
		if e.VectorsSHA256 == "" {
			wanted = "no such file, since " + EvidenceName + " names none"
		}
		return Evidence{}, inDir(dir, VectorsName, &fault.Error{
			Kind: fault.Usage, Got: "sha256 " + digest(raw), Wanted: wanted,
		})
	}
	if e.Raw, err = decodeVectors(raw); err != nil {
		return Evidence{}, inDir(dir, VectorsName, err)
	}
	return e, nil
}

// parseEvidence reads evidence.json's bytes.
func parseEvidence(data []byte) (Evidence, error) {
	var e Evidence
	if err := strictjson.Decode(data, &e); err != nil {
		return Evidence{}, err
	}
	if e.Schema != EvidenceSchema {
		return Evidence{}, &fault.Error{
			Kind: fault.Usage, Got: fmt.Sprintf("schema %d", e.Schema),
			Wanted: fmt.Sprintf("schema %d", EvidenceSchema),
		}
	}
	if err := e.countable(); err != nil {
		return Evidence{}, err
	}
	e.Digest = digest(data)
	return e, nil
}

// The most of each thing that evidence may hold. A plan has three lengths and
// twenty launches; what the gate does with a hostile file must not grow with
// the file.
const (
	maxPoints   = 100
	maxRuns     = 10_000 // launches × lengths, rounds × lengths × sides
	maxSamples  = 100_000
	maxPlanned  = 10_000 // golden texts
	maxCompany  = 16     // invariance runs
	maxLaunches = 10_000
)

// countable refuses evidence with more of anything than a plan can ask for.
func (e Evidence) countable() error {
	samples := 0
	for _, r := range e.Latency {
		samples += len(r.SamplesNS) + len(r.CalibrationNS)
	}
	for _, r := range e.Pairs {
		samples += len(r.SamplesNS)
	}
	for _, c := range []struct {
		what      string
		got, most int
	}{
		{"plan.points", len(e.Plan.Points), maxPoints}, {"plan.recorded", len(e.Plan.Recorded), maxPoints}, {"plan.texts", len(e.Plan.Texts), maxPlanned},
		{"latency", len(e.Latency), maxRuns}, {"pairs", len(e.Pairs), maxRuns}, {"samples", samples, maxSamples},
		{"cold", len(e.Cold), maxLaunches}, {"memory", len(e.Memory), maxLaunches}, {"placement", len(e.Placement), maxPoints},
	} {
		if c.got > c.most {
			return &fault.Error{Kind: fault.Usage, Thing: c.what, Got: fmt.Sprint(c.got), Wanted: fmt.Sprintf("at most %d", c.most)}
		}
	}
	return nil
}

// WriteEvidence writes an evidence directory, which it makes if it is not
// there. It computes VectorsSHA256 itself. evidence.json is written last, so
// that evidence cut short has none; ReadEvidence gives back what was written.
func WriteEvidence(dir string, e Evidence) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	e.Schema, e.VectorsSHA256 = EvidenceSchema, ""
	vectors := filepath.Join(dir, VectorsName)
	if e.Raw.Empty() {
		if err := os.Remove(vectors); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else {
		data, err := encodeVectors(e.Raw)
		if err != nil {
			return fmt.Errorf("evidence of %s × %s: %w", e.Provider, e.Variant, err)
		}
		e.VectorsSHA256 = digest(data)
		if err := writeAtomic(vectors, data); err != nil {
			return err
		}
	}
	data, err := encode(e)
	if err != nil {
		return fmt.Errorf("evidence of %s × %s: %w", e.Provider, e.Variant, err)
	}
	return writeAtomic(filepath.Join(dir, EvidenceName), data)
}

// inDir makes a read's error say which evidence it is about and what to do.
func inDir(dir, name string, err error) error {
	return &fault.Error{
		Kind: fault.Usage, Thing: filepath.Join(dir, name), Err: err,
		Next: "measure again with `embedgate measure`, and copy the directory whole",
	}
}
