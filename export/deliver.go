package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// deliver copies the cached candidate to o.Out. o.Out is then the new candidate
// or as it was, also after a kill. It replaces only an empty directory, or one of
// which a candidate.json names every file, and nothing inside a release.
func (o Options) deliver(ctx context.Context, r *Result) error {
	if o.Out == "" {
		return nil
	}
	old, err := o.replaceable()
	if err != nil {
		return err
	}
	if old == r.Candidate.Digest {
		if c, err := candidate.Read(o.Out); err == nil {
			r.Candidate = c
			return nil
		}
	}
	parent := filepath.Dir(filepath.Clean(o.Out))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	work, err := os.MkdirTemp(parent, ".tmp-candidate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	tmp := filepath.Join(work, "new")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	sums := map[string]string{candidate.ManifestName: r.Candidate.Digest}
	for f, id := range r.Candidate.Manifest.Files {
		sums[f] = id.SHA256
	}
	for _, f := range slices.Sorted(maps.Keys(sums)) {
		if err := copyPinned(ctx, r.Candidate.Dir, tmp, f, sums[f]); err != nil {
			return fmt.Errorf("%s: %w", o.Out, err)
		}
	}
	// Files that somebody wrote to it meanwhile must not be removed.
	if _, err := o.replaceable(); err != nil {
		return err
	}
	if err := files.ReplaceDir(tmp, o.Out); err != nil {
		return err
	}
	r.Candidate, err = candidate.Read(o.Out)
	return err
}

// releaseName is the file that marks a release; package publish writes it.
const releaseName = "release.json"

// replaceable checks whether o.Out may be replaced, and which candidate it
// holds: the digest of its candidate.json, empty where it holds none.
func (o Options) replaceable() (digest string, err error) {
	refuse := func(got string, err error) (string, error) {
		return "", &fault.Error{
			Kind: fault.Usage, Thing: o.Out, Got: got, Wanted: "a new or empty directory outside any release, or a candidate and nothing else", Err: err, Next: "name another --out",
		}
	}
	if release, err := releaseAround(o.Out); err != nil || release != "" {
		return refuse("a path inside the release "+release, err)
	}
	i, err := os.Lstat(o.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return refuse("", err)
	case !i.IsDir():
		return refuse("something that is no directory", nil)
	}
	entries, err := os.ReadDir(o.Out)
	if err != nil || len(entries) == 0 {
		return "", err
	}
	old, err := candidate.ReadManifest(o.Out)
	if err == nil {
		err = candidate.SameFiles(o.Out, old.Manifest)
	}
	if err != nil {
		return refuse("a directory that holds something else", err)
	}
	return old.Digest, nil
}

// releaseAround is the release that path lies in or would lie in, by its own
// name or by where links lead; empty where it lies in none.
func releaseAround(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real := abs
	for dir := abs; ; dir = filepath.Dir(dir) { // of a path that need not exist yet
		if r, err := filepath.EvalSymlinks(dir); err == nil {
			rest, err := filepath.Rel(dir, abs)
			if err != nil {
				return "", err
			}
			real = filepath.Join(r, rest)
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, dir := range []string{abs, real} {
		for ; ; dir = filepath.Dir(dir) {
			if _, err := os.Lstat(filepath.Join(dir, releaseName)); err == nil {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", nil
}

// copyPinned copies the file of a slash path, whose sha256 is known, from one
// directory to another.
func copyPinned(ctx context.Context, from, to, name, sha256 string) error {
	path := filepath.FromSlash(name)
	id, err := files.CopyFile(ctx, filepath.Join(from, path), filepath.Join(to, path), files.NoLimit, 0o644)
	if err == nil && id.SHA256 != sha256 {
		err = fmt.Errorf("%s: got sha256 %s, wanted %s", name, id.SHA256, sha256)
	}
	return err
}
