package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// The files of a job's directory. The child writes all but the first.
const (
	JobName    = "job.json"
	ResultName = "result.json"
	ErrorName  = "error.json"
)

// Warmup is the number of first samples of each point that are not kept: the
// first run at a new length makes the runtime's buffers.
const Warmup = 5

// Kind is what a child is started for.
type Kind string

const (
	VectorsKind   Kind = "vectors"
	PlacementKind Kind = "placement" // in a session that records where nodes run, and is never timed
	LatencyKind   Kind = "latency"
	PairKind      Kind = "pair" // one side of one round of a comparison
)

// Job is all that a child gets from its parent.
type Job struct {
	Kind      Kind                    `json:"kind"`
	Launch    int                     `json:"launch"` // latency launches and rounds count from 1; else 0
	Provider  string                  `json:"provider"`
	Library   providers.Library       `json:"library"`
	Model     string                  `json:"model"`     // path of the variant's file
	Tokenizer string                  `json:"tokenizer"` // path
	Options   providers.Options       `json:"options"`
	Embedding candidate.Embedding     `json:"embedding"`
	Corpus    [][]byte                `json:"corpus"`  // every golden text: words for texts of a length
	Texts     [][]byte                `json:"texts"`   // the golden texts to embed
	Points    []evidence.LatencyPoint `json:"points"`  // in the order to measure
	Spread    int                     `json:"spread"`  // the largest number of texts to run again; 0: no limit
	Samples   int                     `json:"samples"` // of each point
	Warmup    int                     `json:"warmup"`  // of each point, not written down
	// LimitNS ends the samples of a point, and a quarter of it its warm-up,
	// once their sum reaches it; at least one is taken. 0: no limit.
	LimitNS int64 `json:"limit_ns"`
}

// ChildResult is the result of one child. It is written again after each step,
// so that a crash does not lose what was finished.
type ChildResult struct {
	Complete  bool                    `json:"complete"`
	Machine   evidence.Machine        `json:"machine"` // as this child sees it
	Session   providers.Info          `json:"session"`
	Model     string                  `json:"model_sha256"` // of the file that it opened; empty: none yet
	Vectors   string                  `json:"vectors"`      // the directory that holds them; empty: none yet
	Useful    int64                   `json:"useful_tokens"`
	Computed  int64                   `json:"computed_tokens"`
	Placement []evidence.PlacementRun `json:"placement"`
	Latency   []evidence.LatencyRun   `json:"latency"`
	LoadNS    int64                   `json:"load_ns"`
	FirstNS   int64                   `json:"first_ns"`
	PeakRSS   int64                   `json:"peak_rss_bytes"`
}

// ChildError is an error on its way from a child to its parent.
type ChildError struct {
	Kind    fault.Kind `json:"kind"`
	Thing   string     `json:"thing"`
	Got     string     `json:"got"`
	Wanted  string     `json:"wanted"`
	Next    string     `json:"next"`
	Err     string     `json:"err"`
	Session bool       `json:"session"` // the provider's session returned it
}

// SessionError marks an error that the provider's session returned: unless a
// user can act on it, it is a finding about the provider and does not end the
// measurement.
type SessionError struct{ err error }

func (e *SessionError) Error() string { return e.err.Error() }
func (e *SessionError) Unwrap() error { return e.err }

// FromSession marks err, if it is one.
func FromSession(err error) error {
	if err == nil {
		return nil
	}
	return &SessionError{err}
}

// NewChildError returns an error in the form in which a child writes it.
func NewChildError(err error) ChildError {
	w := ChildError{Kind: fault.KindOf(err)}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		w.Thing, w.Got, w.Wanted, w.Next = f.Thing, f.Got, f.Wanted, f.Next
		if f.Err != nil {
			w.Err = f.Err.Error()
		}
	} else {
		w.Err = err.Error()
	}
	_, w.Session = errors.AsType[*SessionError](err)
	return w
}

// AsError returns the error again, of the same kind and with the same text.
func (w ChildError) AsError() error {
	e := &fault.Error{Kind: w.Kind, Thing: w.Thing, Got: w.Got, Wanted: w.Wanted, Next: w.Next}
	if w.Err != "" {
		e.Err = errors.New(w.Err)
	}
	if w.Session {
		return FromSession(e)
	}
	return e
}

// IsFinding reports whether the error is to be recorded about the provider.
func (w ChildError) IsFinding() bool {
	return w.Session && w.Kind != fault.Usage && w.Kind != fault.Missing
}

// ReadJSON reads one of a job's files, strictly.
func ReadJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// WriteJSON writes one of a job's files, complete or not at all. A job does
// not outlive the machine's crash.
func WriteJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return files.WriteAtomicScratch(path, b)
}
