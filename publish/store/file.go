package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/embedgate/embedgate/internal/files"
)

// File is one file of a release: where it is read, and what must be there.
type File struct {
	Path     string // on this machine; empty: Bytes
	Bytes    []byte
	Identity files.Identity
}

// FileOf returns a file of these bytes.
func FileOf(b []byte) File { return File{Bytes: b, Identity: files.IdentityOf(b)} }

// SourceError says that a file to be put cannot be read, or that Err is a
// *files.DigestError: it is not the file that was meant.
type SourceError struct {
	Path string
	Err  error
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// CopyTo writes the file to a new path, flushed. The folders above the path
// are made. After an error the path is not there. The error is a *SourceError,
// ctx's, or that of writing.
func (f File) CopyTo(ctx context.Context, path string) error {
	src := io.Reader(bytes.NewReader(f.Bytes))
	if f.Path != "" {
		file, err := os.Open(f.Path)
		if err != nil {
			return &SourceError{f.Path, err}
		}
		defer func() { _ = file.Close() }() // read only
		src = file
	}
	err := files.CopyVerified(ctx, src, path, f.Identity, 0o644)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*files.ReadError](err); ok {
		return &SourceError{f.Path, e.Err}
	}
	if e, ok := errors.AsType[*files.DigestError](err); ok {
		return &SourceError{f.Path, e}
	}
	return err
}
