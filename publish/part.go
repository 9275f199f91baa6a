package publish

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// part is one file of a release: where it is read, and what was judged of it.
type part struct {
	from string // a path; empty: raw
	raw  []byte
	want candidate.File
}

func bytesPart(b []byte) part { return part{raw: b, want: files.IdentityOf(b)} }

// write copies the part and refuses other bytes than were judged.
func (p part) write(ctx context.Context, to string) error {
	src := io.Reader(bytes.NewReader(p.raw))
	if p.from != "" {
		f, err := os.Open(p.from)
		if err != nil {
			return p.unreadable(err)
		}
		defer func() { _ = f.Close() }() // read only
		src = f
	}
	err := files.CopyVerified(ctx, src, to, p.want, 0o644)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*files.ReadError](err); ok {
		return p.unreadable(e.Err)
	}
	if e, ok := errors.AsType[*files.DigestError](err); ok {
		return notJudged(p.from, e.Got.SHA256, e.Wanted.SHA256)
	}
	return cannotWrite(to, err)
}

func (p part) unreadable(err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: p.from, Wanted: "the file that was judged", Err: err}
}
