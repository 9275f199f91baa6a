package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/internal/text"
)

// The largest evidence files that are read, in bytes. Real ones are some
// hundred KB and some MB.
const (
	MaxEvidence = 4 << 20
	maxVectors  = 256 << 20
)

// Read reads an evidence directory and checks that it is consistent: the JSON is
// strict, and vectors.safetensors is there exactly when evidence.json names its
// sha256, and has that sha256. Other files of the directory are ignored. Every
// error that the input causes is a fault of kind Usage and names the file.
func Read(dir string) (Evidence, error) {
	data, err := readCapped(filepath.Join(dir, FileName), MaxEvidence)
	if err != nil {
		return Evidence{}, withPath(dir, FileName, err)
	}
	e, err := Parse(data)
	if err != nil {
		return Evidence{}, withPath(dir, FileName, err)
	}
	raw, err := readCapped(filepath.Join(dir, VectorsName), maxVectors)
	switch {
	case e.VectorsSHA256 == "" && errors.Is(err, fs.ErrNotExist):
		return e, nil
	case err != nil:
		return Evidence{}, withPath(dir, VectorsName, err)
	case files.HashBytes(raw) != e.VectorsSHA256:
		wanted := "sha256 " + text.Clip(e.VectorsSHA256) + ", which " + FileName + " names"
		if e.VectorsSHA256 == "" {
			wanted = "no such file, since " + FileName + " names none"
		}
		return Evidence{}, withPath(dir, VectorsName, &fault.Error{
			Kind: fault.Usage, Got: "sha256 " + files.HashBytes(raw), Wanted: wanted,
		})
	}
	if e.Raw, err = DecodeVectors(raw); err != nil {
		return Evidence{}, withPath(dir, VectorsName, err)
	}
	return e, nil
}

// readCapped refuses a link: evidence in another directory can change after it
// was judged.
func readCapped(path string, limit int64) ([]byte, error) {
	data, err := files.ReadCapped(path, limit)
	unfit, ok := errors.AsType[*files.Unfit](err)
	switch {
	case !ok:
		return data, err
	case unfit.TooLarge():
		return nil, &fault.Error{Kind: fault.Usage, Got: fmt.Sprintf("more than %d MiB", limit>>20), Wanted: fmt.Sprintf("at most %d MiB", limit>>20)}
	}
	return nil, &fault.Error{Kind: fault.Usage, Got: unfit.Got(), Wanted: "a regular file"}
}

// Parse reads evidence.json's bytes.
func Parse(data []byte) (Evidence, error) {
	var e Evidence
	if err := strictjson.Decode(data, &e); err != nil {
		return Evidence{}, err
	}
	if e.Schema != Schema {
		return Evidence{}, &fault.Error{
			Kind: fault.Usage, Got: fmt.Sprintf("schema %d", e.Schema),
			Wanted: fmt.Sprintf("schema %d", Schema),
		}
	}
	if err := e.checkCounts(); err != nil {
		return Evidence{}, err
	}
	e.Digest = files.HashBytes(data)
	return e, nil
}

// The largest counts that evidence may have. A plan has three lengths and
// twenty launches. The gate's work on a hostile file must not grow with the
// file.
const (
	MaxPoints         = 100
	MaxRuns           = 10_000 // launches × lengths, rounds × lengths × sides
	MaxSamples        = 100_000
	maxPlanned        = 10_000 // golden texts
	MaxInvarianceRuns = 16
	maxLaunches       = 10_000
)

// checkCounts refuses evidence with more of anything than a plan can contain.
func (e Evidence) checkCounts() error {
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
		{"plan.points", len(e.Plan.Points), MaxPoints}, {"plan.recorded", len(e.Plan.Recorded), MaxPoints}, {"plan.texts", len(e.Plan.Texts), maxPlanned},
		{"latency", len(e.Latency), MaxRuns}, {"pairs", len(e.Pairs), MaxRuns}, {"samples", samples, MaxSamples},
		{"cold", len(e.Cold), maxLaunches}, {"memory", len(e.Memory), maxLaunches}, {"placement", len(e.Placement), MaxPoints},
	} {
		if c.got > c.most {
			return &fault.Error{Kind: fault.Usage, Thing: c.what, Got: fmt.Sprint(c.got), Wanted: fmt.Sprintf("at most %d", c.most)}
		}
	}
	return nil
}

// Write writes an evidence directory, and makes it if it is not there. It
// computes VectorsSHA256 itself. It writes evidence.json last, so that
// incomplete evidence has none. Read returns what was written.
func Write(dir string, e Evidence) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	e.Schema, e.VectorsSHA256 = Schema, ""
	vectors := filepath.Join(dir, VectorsName)
	if e.Raw.Empty() {
		if err := os.Remove(vectors); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else {
		data, err := EncodeVectors(e.Raw)
		if err != nil {
			return fmt.Errorf("evidence of %s × %s: %w", e.Provider, e.Variant, err)
		}
		e.VectorsSHA256 = files.HashBytes(data)
		if err := files.WriteAtomic(vectors, data); err != nil {
			return err
		}
	}
	data, err := strictjson.Encode(e)
	if err != nil {
		return fmt.Errorf("evidence of %s × %s: %w", e.Provider, e.Variant, err)
	}
	return files.WriteAtomic(filepath.Join(dir, FileName), data)
}

// withPath adds to a reader's error the path of the file and the next step.
func withPath(dir, name string, err error) error {
	return &fault.Error{
		Kind: fault.Usage, Thing: filepath.Join(dir, name), Err: err,
		Next: "measure again with `embedgate measure`, and copy the directory whole",
	}
}
