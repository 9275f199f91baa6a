package source

import (
	"context"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
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
		if _, err := files.CopyFile(ctx, from, to, limit(f), 0o644); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &fault.Error{
				Kind: fault.Usage, Thing: from, Wanted: "a file that model.files pins", Err: err,
				Next: "correct model.source or model.files in the policy",
			}
		}
	}
	return nil
}
