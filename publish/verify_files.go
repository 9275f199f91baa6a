package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/files"
)

// maxNamed is how many damaged files are named.
const maxNamed = 10

// maxPolicy is far above the size of a policy.
const maxPolicy = 64 << 20

// readFile reads a file of the release of at most limit bytes.
func (r *Report) readFile(name string, limit int64) ([]byte, error) {
	b, err := files.ReadCapped(r.path(name), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if unfit, ok := errors.AsType[*files.Unfit](err); ok {
		return nil, fmt.Errorf("%s: %w", name, unfit)
	}
	return b, err
}

func (r *Report) path(name string) string {
	return filepath.Join(r.Dir, filepath.FromSlash(name))
}

// checkFiles proves that the release holds exactly the manifest's files. It
// names all that are wrong, not the first only, so that the damage is known.
func (r *Report) checkFiles(ctx context.Context) (string, error) {
	found, err := r.list()
	if err != nil {
		return "", err
	}
	for _, f := range slices.Sorted(maps.Keys(r.Manifest.Files)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		i, ok := found[f]
		delete(found, f)
		switch want := r.Manifest.Files[f]; {
		case !ok:
			err = errors.Join(err, fmt.Errorf("%s is missing", f))
		case !i.Type().IsRegular():
			err = errors.Join(err, fmt.Errorf("%s: got %s, wanted a regular file", f, files.KindOf(i.Type())))
		default:
			got, e := files.HashFile(r.path(f))
			if e == nil && got != want {
				e = fmt.Errorf("%s: %w", f, &files.DigestError{Got: got, Wanted: want})
			}
			err = errors.Join(err, e)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(found)) {
		err = errors.Join(err, fmt.Errorf("got %s (%s), which the manifest does not name", f, files.KindOf(found[f].Type())))
	}
	if err != nil {
		return "", shorten(err)
	}
	return fmt.Sprintf("%d files, each with its digest", len(r.Manifest.Files)+1), nil
}

// list returns what is in the release's directory, without the manifest and
// the directories of its files.
func (r *Report) list() (map[string]fs.DirEntry, error) {
	needed := map[string]bool{".": true}
	for f := range r.Manifest.Files {
		for d := path.Dir(f); d != "."; d = path.Dir(d) {
			needed[d] = true
		}
	}
	found := map[string]fs.DirEntry{}
	err := filepath.WalkDir(r.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.Dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && needed[rel] || rel == ManifestName {
			return nil
		}
		found[rel] = d
		return nil
	})
	return found, err
}

// shorten names the first maxNamed errors and counts the others.
func shorten(err error) error {
	lines := strings.Split(err.Error(), "\n")
	if n := len(lines); n > maxNamed {
		lines = append(lines[:maxNamed], fmt.Sprintf("and %d more", n-maxNamed))
	}
	return errors.New(strings.Join(lines, "; "))
}
