package pyenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/internal/files"
)

// marker is written last into a finished environment; one without it is
// half made.
const marker = "embedgate-complete.json"

type completion struct {
	Hash  string           `json:"hash"`
	Files map[string]int64 `json:"files"` // key files and their sizes, relative to the environment
}

// check returns what is wrong with an environment. It is cheap enough for every
// start: the marker, the key files' sizes, an interpreter that runs.
func (e Env) check(ctx context.Context) error {
	b, err := os.ReadFile(filepath.Join(e.Dir, marker))
	if err != nil {
		return errors.New("it was never finished")
	}
	var c completion
	if err := json.Unmarshal(b, &c); err != nil || c.Hash != e.Hash || len(c.Files) == 0 {
		return errors.New("its marker is damaged")
	}
	for f, size := range c.Files {
		i, err := os.Stat(filepath.Join(e.Dir, filepath.FromSlash(f)))
		if err != nil || i.Size() != size {
			return fmt.Errorf("%s is missing or changed", f)
		}
	}
	if _, err := version(ctx, e.Python); err != nil {
		return errors.New("its interpreter does not run")
	}
	return nil
}

// writeMarker checks that the files that the environment exists for were
// installed, and writes the marker.
func (e Env) writeMarker() error {
	site := sitePackages(e.Dir)
	for _, g := range kinds[e.Kind].files {
		if m, err := filepath.Glob(filepath.Join(site, filepath.FromSlash(g))); err != nil || len(m) == 0 {
			return fmt.Errorf("installed, but %s is not there", g)
		}
	}
	c := completion{Hash: e.Hash, Files: map[string]int64{}}
	err := filepath.WalkDir(site, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !isKeyFile(site, p) {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(e.Dir, p)
		c.Files[filepath.ToSlash(rel)] = i.Size()
		return err
	})
	if err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return files.WriteAtomic(filepath.Join(e.Dir, marker), b)
}

// isKeyFile picks the files whose sizes are looked at in every start: native
// libraries and each package's __init__.py. All files would be tens of
// thousands.
func isKeyFile(site, path string) bool {
	base := filepath.Base(path)
	for _, mark := range []string{".so", ".dylib", ".dll", ".pyd"} {
		if i := strings.Index(base, mark); i > 0 && (i+len(mark) == len(base) || base[i+len(mark)] == '.') {
			return true
		}
	}
	return base == "__init__.py" && filepath.Dir(filepath.Dir(path)) == site
}
