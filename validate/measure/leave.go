package measure

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/validate"
)

// leave writes evidence into dir, which is absent, empty or older evidence,
// and reads it back. It is written beside dir, then renamed, so that dir holds
// the old evidence, nothing for a moment, or the new evidence whole.
func leave(dir string, ev validate.Evidence) (_ validate.Evidence, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return validate.Evidence{}, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return validate.Evidence{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".new-")
	if err != nil {
		return validate.Evidence{}, err
	}
	keep := false // what was there is nowhere else
	defer func() {
		if !keep {
			_ = os.RemoveAll(tmp)
		}
	}()
	fresh, old := filepath.Join(tmp, "new"), filepath.Join(tmp, "old")
	if err := validate.WriteEvidence(fresh, ev); err != nil {
		return validate.Evidence{}, err
	}
	back, err := validate.ReadEvidence(fresh)
	if err != nil {
		return validate.Evidence{}, err
	}
	switch err := os.Rename(dir, old); {
	case errors.Is(err, fs.ErrNotExist):
		old = ""
	case err != nil:
		return validate.Evidence{}, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if old != "" {
			back := os.Rename(old, dir)
			keep = back != nil
			err = errors.Join(err, back)
		}
		return validate.Evidence{}, err
	}
	return back, nil
}
