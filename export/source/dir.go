package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/pipeline/fault"
)

// fromDir copies the pinned files of a directory, so that what is verified is
// what is read.
func fromDir(ctx context.Context, o Options, rest, dir string) error {
	if !filepath.IsAbs(rest) {
		rest = filepath.Join(o.BaseDir, rest)
	}
	for f := range o.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, to := filepath.Join(rest, filepath.FromSlash(f)), filepath.Join(dir, filepath.FromSlash(f))
		if err := copyFile(from, to); err != nil {
			return &fault.Error{
				Kind: fault.Usage, Thing: from, Wanted: "a file that model.files pins", Err: err,
				Next: "correct model.source or model.files in the policy",
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	if i, err := in.Stat(); err != nil || !i.Mode().IsRegular() {
		return fmt.Errorf("got no regular file (%w)", err)
	}
	return writeFile(to, in)
}

func writeFile(to string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}
