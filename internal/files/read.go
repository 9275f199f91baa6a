// Package files holds each file mechanism once: to read a file up to a limit,
// to write one whole or not at all, to copy one and compare its digest, to
// replace a folder. It must not know what any file means, nor any other
// package of embedgate; its callers turn its errors into faults.
package files

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// NoLimit is the limit of a file that may have any size.
const NoLimit = math.MaxInt64 - 1

// Unfit says why a file is not read: it is no regular file, or it is too large.
type Unfit struct {
	Mode  fs.FileMode // of what is there
	Size  int64       // -1: more than Limit, and it was not counted how much
	Limit int64       // bytes
}

// TooLarge reports whether the size is what is wrong.
func (e *Unfit) TooLarge() bool { return e.Mode.IsRegular() }

// Got says what is there.
func (e *Unfit) Got() string {
	switch {
	case !e.TooLarge():
		return KindOf(e.Mode)
	case e.Size < 0:
		return fmt.Sprintf("more than %d bytes", e.Limit)
	}
	return fmt.Sprintf("%d bytes", e.Size)
}

// Wanted says what was wanted instead.
func (e *Unfit) Wanted() string {
	if e.Limit == NoLimit {
		return "a regular file"
	}
	return fmt.Sprintf("a regular file of at most %d bytes", e.Limit)
}

func (e *Unfit) Error() string { return "got " + e.Got() + ", wanted " + e.Wanted() }

// KindOf names what a path leads to.
func KindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsRegular():
		return "a file"
	}
	return "a special file"
}

// ReadCapped reads a regular file of at most limit bytes. A link is refused:
// what lies elsewhere can change after it was looked at. The error is an
// *Unfit, or the system's.
func ReadCapped(path string, limit int64) ([]byte, error) {
	f, size, err := open(path, os.Lstat, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return readAll(f, size, limit)
}

// ReadCappedLinked is ReadCapped for a file that a person named, which may be a
// link.
func ReadCappedLinked(path string, limit int64) ([]byte, error) {
	f, size, err := open(path, os.Stat, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return readAll(f, size, limit)
}

// ReadCappedFS is ReadCapped in a file system, which decides what becomes of
// links.
func ReadCappedFS(fsys fs.FS, name string, limit int64) ([]byte, error) {
	i, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := fit(i, limit); err != nil {
		return nil, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return readAll(f, i.Size(), limit)
}

func fit(i fs.FileInfo, limit int64) error {
	if !i.Mode().IsRegular() || i.Size() > limit {
		return &Unfit{Mode: i.Mode(), Size: i.Size(), Limit: limit}
	}
	return nil
}

// open opens a regular file. It looks before it opens, because to open a named
// pipe waits for a writer; and again after, because the name may lead
// elsewhere by then.
func open(path string, stat func(string) (fs.FileInfo, error), limit int64) (*os.File, int64, error) {
	before, err := stat(path)
	if err != nil {
		return nil, 0, err
	}
	if err := fit(before, limit); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	i, err := f.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, i):
		err = fmt.Errorf("%s: got another file than a moment ago, wanted one that stays", path)
	default:
		err = fit(i, limit)
	}
	if err != nil {
		_ = f.Close() // read only
		return nil, 0, err
	}
	return f, i.Size(), nil
}

// readAll reads what is at first size bytes, and may grow up to limit.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	// With that much room the buffer does not grow at the end of the file.
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := b.ReadFrom(Capped(r, limit)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Capped returns a reader of r that ends with an *Unfit where r gives more
// than limit bytes.
func Capped(r io.Reader, limit int64) io.Reader { return &capped{r, limit, limit} }

type capped struct {
	r           io.Reader
	left, limit int64
}

func (c *capped) Read(b []byte) (int, error) {
	if int64(len(b)) > c.left+1 {
		b = b[:c.left+1] // one byte more shows whether there is more
	}
	n, err := c.r.Read(b)
	if int64(n) > c.left {
		n, c.left = int(c.left), 0
		return n, &Unfit{Size: -1, Limit: c.limit}
	}
	c.left -= int64(n)
	return n, err
}
