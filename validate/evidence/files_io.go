package evidence

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/fault"
)

// ReadCapped reads a regular file of at most limit bytes. A link is refused:
// evidence that lies elsewhere can change after it was judged.
func ReadCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fault.Error{Kind: fault.Usage, Got: kindOf(info.Mode()), Wanted: "a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The size of a moment ago binds nobody; the reader is capped as well.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &fault.Error{
			Kind: fault.Usage, Got: fmt.Sprintf("more than %d MiB", limit>>20),
			Wanted: fmt.Sprintf("at most %d MiB", limit>>20),
		}
	}
	return data, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a special file"
}

// WriteAtomic replaces path by data: the old file or the whole new one is
// there, whatever is interrupted when.
func WriteAtomic(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
