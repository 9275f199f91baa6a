package validate

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/strictjson"
)

const maxVerdict = 4 << 20

// EncodeVerdict returns a verdict's file bytes, which depend on v alone.
func EncodeVerdict(v Verdict) ([]byte, error) { return encode(v) }

// WriteVerdict writes a verdict's file, whole or not at all. The directory is
// made if it is not there.
func WriteVerdict(path string, v Verdict) error {
	data, err := EncodeVerdict(v)
	if err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeAtomic(path, data)
}

// ReadVerdict reads a verdict's file and sets its Digest. Unknown keys and
// unknown results are faults of kind Usage.
func ReadVerdict(path string) (Verdict, error) {
	data, err := readCapped(path, maxVerdict)
	if err != nil {
		return Verdict{}, badVerdict(path, err)
	}
	v, err := parseVerdict(data)
	if err != nil {
		return Verdict{}, badVerdict(path, err)
	}
	return v, nil
}

func badVerdict(path string, err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: path, Err: err, Next: "judge again with `embedgate gate`"}
}

func parseVerdict(data []byte) (Verdict, error) {
	var v Verdict
	if err := strictjson.Decode(data, &v); err != nil {
		return Verdict{}, err
	}
	if v.Schema != VerdictSchema {
		return Verdict{}, fmt.Errorf("schema %d, wanted %d", v.Schema, VerdictSchema)
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
			return Verdict{}, fmt.Errorf("unknown result %q", clip(string(r)))
		}
	}
	v.Digest = digest(data)
	return v, nil
}
