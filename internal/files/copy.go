package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Identity identifies the bytes of a file.
type Identity struct {
	SHA256 string `json:"sha256"` // lower-case hex
	Bytes  int64  `json:"bytes"`
}

func (i Identity) String() string { return fmt.Sprintf("%s (%d bytes)", i.SHA256, i.Bytes) }

// HashBytes returns the sha256 of b in lower-case hex.
func HashBytes(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// IdentityOf returns the identity of a file that holds b.
func IdentityOf(b []byte) Identity { return Identity{SHA256: HashBytes(b), Bytes: int64(len(b))} }

// HashFile returns the identity of a regular file. A link is refused.
func HashFile(path string) (Identity, error) {
	h := sha256.New()
	n, err := HashInto(h, path)
	return Identity{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, err
}

// HashInto writes a regular file, which is no link, to h.
func HashInto(h hash.Hash, path string) (int64, error) {
	f, _, err := open(path, os.Lstat, NoLimit)
	if unfit, ok := errors.AsType[*Unfit](err); ok {
		return 0, fmt.Errorf("%s: %w", path, unfit)
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // read only
	return io.Copy(h, f)
}

// ReadError is returned when a copy failed because its source could not be read.
// Other errors of a copy are the target's.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }
func (e *ReadError) Unwrap() error { return e.Err }

// DigestError is returned when a copy has other bytes than were wanted.
type DigestError struct{ Got, Wanted Identity }

func (e *DigestError) Error() string {
	return fmt.Sprintf("got sha256 %v, wanted %v", e.Got, e.Wanted)
}

// Copy writes what src gives, at most limit bytes, to a new file, flushed, and
// returns its identity. Folders above it are made. After an error, which is
// ctx's where ctx ended, the file is not there. A file that was there before
// is an error and stays.
func Copy(ctx context.Context, src io.Reader, to string, limit int64, perm fs.FileMode) (Identity, error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return Identity{}, err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return Identity{}, err
	}
	h := sha256.New()
	in := &source{ctx: ctx, r: Capped(src, limit)}
	n, err := io.Copy(io.MultiWriter(f, h), in)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case in.err != nil:
		err = &ReadError{in.err}
	}
	if err != nil {
		_ = os.Remove(to) // the first error says more
		return Identity{}, err
	}
	return Identity{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, nil
}

// CopyVerified is Copy of exactly the bytes that are wanted. They are hashed
// while they are copied, so that no other process changes them between the look and the
// copy. Others are a *DigestError.
func CopyVerified(ctx context.Context, src io.Reader, to string, want Identity, perm fs.FileMode) error {
	// A source that grew is not copied until the disk is full.
	got, err := Copy(ctx, io.LimitReader(src, want.Bytes+1), to, NoLimit, perm)
	if err == nil && got != want {
		err = &DigestError{Got: got, Wanted: want}
		_ = os.Remove(to) // the first error says more
	}
	return err
}

// CopyFile is Copy of a regular file of at most limit bytes, or of one that a
// link leads to. One that grows meanwhile is an error.
func CopyFile(ctx context.Context, from, to string, limit int64, perm fs.FileMode) (Identity, error) {
	f, size, err := open(from, os.Stat, limit)
	if err != nil {
		return Identity{}, &ReadError{err}
	}
	defer func() { _ = f.Close() }() // read only
	return Copy(ctx, f, to, size, perm)
}

// ReaderUntil returns a reader of r that fails with ctx's error once ctx ended.
func ReaderUntil(ctx context.Context, r io.Reader) io.Reader { return &source{ctx: ctx, r: r} }

// source stops when ctx is cancelled, and remembers that reading failed, which
// io.Copy does not tell from writing.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
