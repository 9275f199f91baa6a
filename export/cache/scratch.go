package cache

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/embedgate/embedgate/internal/files"
)

// tmpPrefix begins the name of every unfinished folder.
const tmpPrefix = ".tmp-"

// stale is how old another home's unfinished folder must be before it is taken
// for a dead process's: longer than any export or installation.
const stale = 24 * time.Hour

// Scratch makes an empty folder beside home, in which home is built before
// Place gives it its name. The caller holds home's lock, so whatever earlier
// builders of home left there belongs to the dead and is removed now; other
// homes' leftovers are, after a day.
func Scratch(home string) (string, error) {
	dir, mine := filepath.Dir(home), tmpPrefix+filepath.Base(home)+"-"
	if err := folder(dir); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", unwritable(dir, err)
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		if strings.HasPrefix(e.Name(), mine) || time.Since(i.ModTime()) > stale {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // an orphan may still write there: the next run tries again
		}
	}
	tmp, err := os.MkdirTemp(dir, mine)
	if err != nil {
		return "", unwritable(dir, err)
	}
	return tmp, os.Chmod(tmp, 0o755)
}

// Place gives a finished scratch folder its name. The caller holds home's
// lock; what home was before is removed, now or by the next Scratch.
func Place(scratch, home string) error { return files.ReplaceDir(scratch, home) }
