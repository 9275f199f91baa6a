package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
)

// part is one file of a release: where it is read, and what was judged of it.
type part struct {
	from string // a path; empty: raw
	raw  []byte
	want candidate.File
}

func bytesPart(b []byte) part {
	return part{raw: b, want: candidate.File{SHA256: sum(b), Bytes: int64(len(b))}}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// write copies the part, flushed, and refuses other bytes than were judged:
// they are hashed while they are copied, so that nobody changes them between
// the look and the copy.
func (p part) write(ctx context.Context, to string) error {
	src := reader{ctx: ctx, r: bytes.NewReader(p.raw)}
	if p.from != "" {
		f, err := os.Open(p.from)
		if err != nil {
			return p.unreadable(err)
		}
		defer func() { _ = f.Close() }() // read only
		// A file that grew is not copied until the disk is full.
		src.r = io.LimitReader(f, p.want.Bytes+1)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return cannotWrite(to, err)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return cannotWrite(to, err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), &src)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	got := candidate.File{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case src.err != nil:
		return p.unreadable(src.err)
	case err != nil:
		return cannotWrite(to, err)
	case got != p.want:
		return notJudged(p.from, got.SHA256, p.want.SHA256)
	}
	return nil
}

func (p part) unreadable(err error) error {
	return &fault.Error{Kind: fault.Usage, Thing: p.from, Wanted: "the file that was judged", Err: err}
}

// reader remembers that reading failed, which io.Copy does not tell from
// writing, and stops when ctx is cancelled.
type reader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *reader) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
