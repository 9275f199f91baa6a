// Package publish writes a release from a PASS verdict, and verifies one. A
// release is complete or absent, and one that is there is never changed. The
// package must not know how anything was measured; it asks the gate again
// rather than believe a verdict's words.
//
// A release that verifies is whole, belongs together and follows from its
// evidence. Who made it is not proven before releases are signed.
package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/strictjson"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Schema is the version of release.json.
const Schema = 2

// Names inside a release directory.
const (
	ManifestName = "release.json"
	PolicyName   = "policy.yaml"
	VerdictName  = "verdict.json"
	JudgedName   = candidate.ManifestName // of the candidate that was judged, with the files that are not shipped
	ModelDir     = "model"                // the candidate, without the model files that passed nowhere
	GoldenDir    = "golden"               // what it was compared with
	EvidenceDir  = "evidence"             // what was measured
)

// Manifest is release.json: every other file with its digest. It holds no time
// and no machine.
type Manifest struct {
	Schema  int    `json:"schema"`
	Model   string `json:"model"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	Content string `json:"content"` // digest of what is shipped: model, golden and policy
	Verdict string `json:"verdict"` // sha256 of verdict.json
	// Proven says of each model file on which provider, as which variant, it
	// passed. A file that passed nowhere is not in a release.
	Proven map[string][]Run `json:"proven"` // slash path → at least one
	// Selection says which variant to take on which provider, and how. Like
	// the verdict it is of this run's measurements, and no part of the content.
	Selection []Selected                `json:"selection"`
	Files     map[string]candidate.File `json:"files"` // slash path → identity, every file but release.json
}

// name is the release directory's.
func (m Manifest) name() string { return m.Model + "-" + m.Version }

// shipped tells whether a file is part of the content. Evidence and verdict
// are not: each run measures anew, and the content is the same.
func shipped(f string) bool {
	return f != VerdictName && !strings.HasPrefix(f, EvidenceDir+"/")
}

// content is the digest of the files that are shipped.
func content(files map[string]candidate.File) string {
	h := sha256.New()
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if shipped(f) {
			fmt.Fprintf(h, "%s %d %s\n", files[f].SHA256, files[f].Bytes, f)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// place refuses a file that has no place in a release: what no check looks at
// would be shipped unseen.
func place(f string) error {
	dir, name, ok := strings.Cut(f, "/")
	if err := portable(f); err != nil {
		return err
	}
	switch {
	case !ok && (f == PolicyName || f == VerdictName || f == JudgedName):
	case dir == ModelDir && ok: // candidate.Read looks at every one
	case dir == GoldenDir && slices.Contains([]string{golden.ManifestName, golden.TextsName, golden.VectorsName}, name):
	case dir == EvidenceDir && strings.Count(name, "/") == 1 &&
		slices.Contains([]string{evidence.FileName, evidence.VectorsName}, path.Base(name)):
	default:
		return fmt.Errorf("got %q, which has no place in a release", f)
	}
	return nil
}

// maxFiles is far above what a release holds: a candidate's some ten files, and
// two of evidence for each provider and variant.
const maxFiles = 1000

// maxManifest is far above release.json with that many files. 16 MiB of lists
// took 840 MB to read and to write again.
const maxManifest = 4 << 20

// places refuses files that have no place in a release, and names of which some
// file systems hold one only.
func (m Manifest) places() error {
	if n := len(m.Files); n > maxFiles {
		return fmt.Errorf("got %d files, wanted at most %d", n, maxFiles)
	}
	spelt := map[string]string{} // each part of a path in lower case → as first seen
	for _, f := range slices.Sorted(maps.Keys(m.Files)) {
		if err := place(f); err != nil {
			return err
		}
		for d := f; d != "."; d = path.Dir(d) {
			low := strings.ToLower(d)
			if other, ok := spelt[low]; ok && other != d {
				return fmt.Errorf("got the names %q and %q, wanted names that differ by more than their case: Windows and macOS take them for one", other, d)
			}
			spelt[low] = d
		}
	}
	return nil
}

// encode writes the manifest in its one form: sorted keys, two spaces.
func (m Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // thresholds begin with < and are read by people too
	e.SetIndent("", "  ")
	err := e.Encode(m)
	return b.Bytes(), err
}

// parseManifest reads release.json; bytes that differ from its one form are
// refused, so that no byte can be changed unseen.
func parseManifest(b []byte) (m Manifest, err error) {
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	if m.Schema != Schema {
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	}
	if err := m.places(); err != nil {
		return m, err
	}
	again, err := m.encode()
	if err == nil && !bytes.Equal(again, b) {
		err = errors.New("got other bytes than this manifest has when written, wanted those")
	}
	return m, err
}
