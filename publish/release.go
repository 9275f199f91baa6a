// Package publish makes a release from a PASS verdict, puts it into a store,
// and verifies releases. It decides what a release holds and whether two are
// the same. A store decides how one is written. The package must not know how
// anything was measured. It believes no verdict: it has the gate judge the
// evidence again.
//
// A release that verifies is whole, its files belong together, and its verdict
// follows from its evidence. Who made it is not proven before releases are
// signed.
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
	"github.com/embedgate/embedgate/publish/store"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Schema is the version of release.json.
const Schema = 2

// Names inside a release directory.
const (
	ManifestName = store.ManifestName
	PolicyName   = "policy.yaml"
	VerdictName  = "verdict.json"
	JudgedName   = candidate.ManifestName // of the candidate that was judged, with the files that are not published
	ModelDir     = "model"                // the candidate, without the model files that passed nowhere
	GoldenDir    = "golden"               // the golden that the model was compared with
	EvidenceDir  = "evidence"             // a folder for each provider and variant
)

// Manifest is release.json: every other file with its digest. It holds no time
// and no machine.
type Manifest struct {
	Schema  int    `json:"schema"`
	Model   string `json:"model"`
	Version string `json:"version"`
	Channel string `json:"channel"`
	Content string `json:"content"` // digest of the content: model, golden and policy
	Verdict string `json:"verdict"` // sha256 of verdict.json
	// Proven says of each model file on which provider, as which variant, it
	// passed. A file that passed nowhere is not in a release.
	Proven map[string][]Run `json:"proven"` // slash path → at least one
	// Selection says which variant to take on which provider, and how. It
	// follows from this run's measurements, as the verdict does, and is no part
	// of the content.
	Selection []Selected                `json:"selection"`
	Files     map[string]candidate.File `json:"files"` // slash path → identity, every file but release.json
}

// name is the release's name in a store.
func (m Manifest) name() string { return m.Model + "-" + m.Version }

// isContent tells whether a file is part of the content. Evidence and verdict
// are not: two runs that measure the same files publish the same content.
func isContent(f string) bool {
	return f != VerdictName && !strings.HasPrefix(f, EvidenceDir+"/")
}

// contentDigest is the digest of the files that are content.
func contentDigest(files map[string]candidate.File) string {
	h := sha256.New()
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if isContent(f) {
			fmt.Fprintf(h, "%s %d %s\n", files[f].SHA256, files[f].Bytes, f)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkPath refuses a file that is no part of a release: no check would look at
// it.
func checkPath(f string) error {
	dir, name, ok := strings.Cut(f, "/")
	if err := store.CheckPath(f); err != nil {
		return err
	}
	switch {
	case !ok && (f == PolicyName || f == VerdictName || f == JudgedName):
	case dir == ModelDir && ok: // candidate.Read checks every file
	case dir == GoldenDir && slices.Contains([]string{golden.ManifestName, golden.TextsName, golden.VectorsName}, name):
	case dir == EvidenceDir && strings.Count(name, "/") == 1 &&
		slices.Contains([]string{evidence.FileName, evidence.VectorsName}, path.Base(name)):
	default:
		return fmt.Errorf("got %q, which has no place in a release", f)
	}
	return nil
}

// maxFiles is far above what a release holds: about ten files of a candidate,
// and two of evidence for each provider and variant.
const maxFiles = 1000

// maxManifest is far above the size of release.json with maxFiles files. To
// read and encode 16 MiB of lists takes 840 MB of memory.
const maxManifest = 4 << 20

// checkPaths refuses files that are no part of a release, and two names that
// are one to some file systems.
func (m Manifest) checkPaths() error {
	if n := len(m.Files); n > maxFiles {
		return fmt.Errorf("got %d files, wanted at most %d", n, maxFiles)
	}
	seen := map[string]string{} // a path, or a folder above it, in lower case → as it was first seen
	for _, f := range slices.Sorted(maps.Keys(m.Files)) {
		if err := checkPath(f); err != nil {
			return err
		}
		for d := f; d != "."; d = path.Dir(d) {
			low := strings.ToLower(d)
			if other, ok := seen[low]; ok && other != d {
				return fmt.Errorf("got the names %q and %q, wanted names that differ by more than their case: Windows and macOS take them for one", other, d)
			}
			seen[low] = d
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

// parseManifest reads release.json. It refuses bytes that differ from those of
// encode, so that no change of a byte is missed.
func parseManifest(b []byte) (m Manifest, err error) {
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	if m.Schema != Schema {
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, Schema)
	}
	if err := m.checkPaths(); err != nil {
		return m, err
	}
	again, err := m.encode()
	if err == nil && !bytes.Equal(again, b) {
		err = errors.New("got other bytes than this manifest has when written, wanted those")
	}
	return m, err
}
