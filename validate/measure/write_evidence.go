package measure

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/validate/evidence"
)

// writeEvidenceDir writes evidence into dir, which is absent, empty or older evidence,
// and reads it back. It is written beside dir, then renamed, so that dir holds
// the old evidence, nothing for a moment, or the new evidence whole.
func writeEvidenceDir(dir string, ev evidence.Evidence) (_ evidence.Evidence, err error) {
	dir, err = filepath.Abs(dir)
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
	keep := false // what was there is nowhere else
	defer func() {
		if !keep {
			_ = os.RemoveAll(tmp)
		}
	}()
	fresh, old := filepath.Join(tmp, "new"), filepath.Join(tmp, "old")
	if err := evidence.Write(fresh, ev); err != nil {
		return evidence.Evidence{}, err
	}
	back, err := evidence.Read(fresh)
	if err != nil {
		return evidence.Evidence{}, err
	}
	switch err := os.Rename(dir, old); {
	case errors.Is(err, fs.ErrNotExist):
		old = ""
	case err != nil:
		return evidence.Evidence{}, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if old != "" {
			back := os.Rename(old, dir)
			keep = back != nil
			err = errors.Join(err, back)
		}
		return evidence.Evidence{}, err
	}
	return back, nil
}
