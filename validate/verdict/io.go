package verdict

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/internal/text"
)

const maxVerdict = 4 << 20

// Encode returns a verdict's file bytes, which depend on v alone.
func Encode(v Verdict) ([]byte, error) { return strictjson.Encode(v) }

// Write writes a verdict's file, whole or not at all. It makes the directory if
// it is not there.
func Write(path string, v Verdict) error {
	data, err := Encode(v)
	if err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return files.WriteAtomic(path, data)
}

// Read reads a verdict's file and sets its Digest. Unknown keys and unknown
// results are faults of kind Usage.
func Read(path string) (Verdict, error) {
	data, err := files.ReadCapped(path, maxVerdict)
	if err != nil {
		return Verdict{}, badVerdict(path, err)
	}
	v, err := parse(data)
	if err != nil {
		return Verdict{}, badVerdict(path, err)
	}
	return v, nil
}

func badVerdict(path string, err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: path, Err: err, Next: "judge again with `embedgate gate`"}
}

func parse(data []byte) (Verdict, error) {
	var v Verdict
	if err := strictjson.Decode(data, &v); err != nil {
		return Verdict{}, err
	}
	if v.Schema != Schema {
		return Verdict{}, fmt.Errorf("schema %d, wanted %d", v.Schema, Schema)
	}
	results := []Result{v.Result}
	for _, r := range v.Rows {
		results = append(results, r.Result)
		for _, f := range r.Findings {
			results = append(results, f.Result)
		}
	}
	for _, f := range v.SelfTest {
		results = append(results, f.Result)
	}
	for _, r := range results {
		if severity(r) < 0 {
			return Verdict{}, fmt.Errorf("unknown result %q", text.Clip(string(r)))
		}
	}
	v.Digest = files.HashBytes(data)
	return v, nil
}
