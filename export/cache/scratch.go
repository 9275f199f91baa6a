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

// staleAge is how old another home's unfinished folder must be before it counts
// as abandoned: longer than any export or installation takes.
const staleAge = 24 * time.Hour

// Scratch makes an empty folder beside home, in which home is built before
// RenameInto renames it. The caller holds home's lock, so no process builds home
// now: unfinished folders of home are removed. Those of other homes are removed
// after a day.
func Scratch(home string) (string, error) {
	dir, mine := filepath.Dir(home), tmpPrefix+filepath.Base(home)+"-"
	if err := makeDir(dir); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", unwritableFault(dir, err)
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		if strings.HasPrefix(e.Name(), mine) || time.Since(i.ModTime()) > staleAge {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // where a child of a killed run still writes, the next run tries again
		}
	}
	tmp, err := os.MkdirTemp(dir, mine)
	if err != nil {
		return "", unwritableFault(dir, err)
	}
	return tmp, os.Chmod(tmp, 0o755)
}

// RenameInto renames a finished scratch folder to home. The caller holds home's
// lock. The old home is removed, now or by the next Scratch.
func RenameInto(scratch, home string) error { return files.ReplaceDir(scratch, home) }
