package export

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/fault"
)

// deliver copies the cached candidate to o.Out, which is then whole or as it
// was. Only an empty directory or another candidate is replaced.
func (o Options) deliver(r *Result) error {
	if o.Out == "" {
		return nil
	}
	entries, err := os.ReadDir(o.Out)
	if err != nil && !os.IsNotExist(err) {
		return &fault.Error{Kind: fault.Usage, Thing: o.Out, Wanted: "a directory for the candidate", Err: err}
	}
	if len(entries) > 0 {
		old, err := candidate.ReadManifest(o.Out)
		if err != nil {
			return &fault.Error{Kind: fault.Usage, Thing: o.Out, Got: "a directory that holds something else", Wanted: "an empty one, or a candidate to replace", Next: "name another --out"}
		}
		if old.Digest == r.Candidate.Digest {
			if c, err := candidate.Read(o.Out); err == nil {
				r.Candidate = c
				return nil
			}
		}
	}
	parent := filepath.Dir(filepath.Clean(o.Out))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".tmp-candidate-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
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
	if err := os.RemoveAll(o.Out); err != nil {
		return err
	}
	if err := os.Rename(tmp, o.Out); err != nil {
		return err
	}
	r.Candidate, err = candidate.Read(o.Out)
	return err
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
