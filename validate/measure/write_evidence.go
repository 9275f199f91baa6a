package measure

import (
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/validate/evidence"
)

// writeEvidenceDir writes evidence into dir, which is absent, empty or older
// evidence, and reads it back. It is written beside dir first, so that dir
// holds the old evidence or the new evidence, whole.
func writeEvidenceDir(dir string, ev evidence.Evidence) (evidence.Evidence, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return evidence.Evidence{}, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return evidence.Evidence{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".new-")
	if err != nil {
		return evidence.Evidence{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	fresh := filepath.Join(tmp, "new")
	if err := evidence.Write(fresh, ev); err != nil {
		return evidence.Evidence{}, err
	}
	back, err := evidence.Read(fresh)
	if err != nil {
		return evidence.Evidence{}, err
	}
	if err := files.ReplaceDir(fresh, dir); err != nil {
		return evidence.Evidence{}, err
	}
	return back, nil
}
