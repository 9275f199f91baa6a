package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
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
		if err := copyFile(from, to, limit(f)); err != nil {
			return &fault.Error{
				Kind: fault.Usage, Thing: from, Wanted: "a file that model.files pins", Err: err,
				Next: "correct model.source or model.files in the policy",
			}
		}
	}
	return nil
}

func copyFile(from, to string, limit int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	i, err := in.Stat()
	if err != nil {
		return err
	}
	if !i.Mode().IsRegular() || i.Size() > limit {
		return fmt.Errorf("got %s of %d bytes, wanted a regular file of at most %d", i.Mode().Type(), i.Size(), limit)
	}
	return writeFile(to, io.LimitReader(in, limit))
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
