package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

// deliver copies the cached candidate to o.Out, which is then whole or as it
// was. What it replaces is an empty directory, or one of which a candidate.json
// names every file; and nothing inside a release.
func (o Options) deliver(r *Result) error {
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
	tmp, aside := filepath.Join(work, "new"), filepath.Join(work, "old")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	names := []string{candidate.ManifestName}
	for f := range r.Candidate.Manifest.Files {
		names = append(names, f)
	}
	for _, f := range names {
		from, to := filepath.Join(r.Candidate.Dir, filepath.FromSlash(f)), filepath.Join(tmp, filepath.FromSlash(f))
		if err := copyFile(from, to); err != nil {
			return fmt.Errorf("%s: %w", o.Out, err)
		}
	}
	// What somebody put there meanwhile must not be removed with it.
	if _, err := o.replaceable(); err != nil {
		return err
	}
	if err := os.Rename(o.Out, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(tmp, o.Out); err != nil {
		return errors.Join(err, os.Rename(aside, o.Out))
	}
	r.Candidate, err = candidate.Read(o.Out)
	return err
}

// releaseName is the file that marks a release; package publish writes it.
const releaseName = "release.json"

// replaceable tells whether o.Out may be replaced, and which candidate it
// holds: the digest of its candidate.json, empty where it holds none.
func (o Options) replaceable() (digest string, err error) {
	refuse := func(got string, err error) (string, error) {
		return "", &fault.Error{
			Kind: fault.Usage, Thing: o.Out, Got: got, Wanted: "a new or empty directory outside any release, or a candidate and nothing else", Err: err, Next: "name another --out",
		}
	}
	if release, err := releaseAround(o.Out); err != nil || release != "" {
		return refuse("a place inside the release "+release, err)
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

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}
