// Package publish writes a release from a PASS verdict, and verifies one. A
// release is complete or absent, and one that is there is never changed. The
// package must not know how anything was measured; it asks the gate again
// rather than believe a verdict's words.
package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
)

// Schema is the version of release.json.
const Schema = 1

// Names inside a release directory.
const (
	ManifestName = "release.json"
	PolicyName   = "policy.yaml"
	VerdictName  = "verdict.json"
	ModelDir     = "model"    // the candidate
	GoldenDir    = "golden"   // what it was compared with
	EvidenceDir  = "evidence" // what was measured
)

// Manifest is release.json: every other file with its digest. It holds no time
// and no machine.
type Manifest struct {
	Schema  int                       `json:"schema"`
	Model   string                    `json:"model"`
	Version string                    `json:"version"`
	Channel string                    `json:"channel"`
	Content string                    `json:"content"` // digest of what is shipped: model, golden and policy
	Verdict string                    `json:"verdict"` // sha256 of verdict.json
	Files   map[string]candidate.File `json:"files"`   // slash path → identity, every file but release.json
}

// content is the digest of the files that are shipped. Evidence and verdict
// are left out: each run measures anew, and the content is the same.
func content(files map[string]candidate.File) string {
	h := sha256.New()
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if f == VerdictName || strings.HasPrefix(f, EvidenceDir+"/") {
			continue
		}
		fmt.Fprintf(h, "%s %d %s\n", files[f].SHA256, files[f].Bytes, f)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// encode writes the manifest in its one form: sorted keys, two spaces.
func (m Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// parseManifest reads release.json; bytes that differ from its one form are
// refused, so that no byte can be changed unseen.
func parseManifest(b []byte) (m Manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("got more after the JSON object, wanted nothing")
	}
	if m.Schema != Schema {
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	}
	again, err := m.encode()
	if err == nil && !bytes.Equal(again, b) {
		err = errors.New("got other bytes than this manifest has when written, wanted those")
	}
	return m, err
}
