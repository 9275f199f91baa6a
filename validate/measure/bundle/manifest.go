package bundle

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// Names inside a bundle.
const (
	ManifestName  = "bundle.json"
	CandidateDir  = "candidate"
	PolicyDir     = "policy" // policy.yaml, and the golden where the policy names one
	PolicyName    = PolicyDir + "/policy.yaml"
	LibraryDir    = "lib" // a folder for each provider
	shellScript   = "measure.sh"
	windowsScript = "measure.cmd"
)

const schema = 1

// maxManifest bounds bundle.json and SHA256SUMS, which are read whole.
const maxManifest = 4 << 20

// Manifest is bundle.json. It holds no time and no path of a machine, so that
// the same things bundled twice are the same bytes.
type Manifest struct {
	Schema    int                       `json:"schema"`
	Provider  string                    `json:"provider"` // the one to measure
	Variants  []string                  `json:"variants"`
	Platform  string                    `json:"platform"`  // where it runs, in Go's names: "linux/amd64"
	Nonce     string                    `json:"nonce"`     // of the plan that the evidence answers; "": none
	Candidate string                    `json:"candidate"` // digest
	Policy    string                    `json:"policy"`    // digest
	Libraries map[string]string         `json:"libraries"` // by provider: the runtime's library in the bundle
	Files     map[string]candidate.File `json:"files"`     // slash path → identity, every file but bundle.json
}

func (m Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// parseManifest reads bundle.json, which is hostile input, strictly.
func parseManifest(b []byte) (Manifest, error) {
	var m Manifest
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	if m.Schema != schema {
		return m, fmt.Errorf("schema: got %d, wanted %d", m.Schema, schema)
	}
	for name, f := range m.Files {
		if err := checkPath(name); err != nil {
			return m, err
		}
		if f.Bytes < 0 {
			return m, fmt.Errorf("files: %s: got %d bytes, wanted 0 or more", name, f.Bytes)
		}
	}
	return m, nil
}

// checkPath refuses a name that is no plain path in the bundle, on any system:
// "a/b" and nothing like "../a", "/a", "C:a", "a\b" or "a//b".
func checkPath(name string) error {
	if !fs.ValidPath(name) || name == "." || name == ManifestName || strings.ContainsAny(name, "\\:\x00") {
		return fmt.Errorf("files: got %q, wanted a path inside the bundle", name)
	}
	return nil
}

// mode is the permissions of a file of a bundle: they follow from its name.
func mode(name string) fs.FileMode {
	switch name {
	case "embedgate", "embedgate.exe", shellScript, windowsScript:
		return 0o755
	}
	// Libraries are opened and not run; macOS and Linux only need to read them.
	return 0o644
}

// program is the name that embedgate has in a bundle for a platform.
func program(platform string) string {
	if strings.HasPrefix(platform, "windows/") {
		return "embedgate.exe"
	}
	return "embedgate"
}

func libraryPath(provider, file string) string { return path.Join(LibraryDir, provider, file) }
