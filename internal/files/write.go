package files

import (
	"io/fs"
	"os"
	"path/filepath"
)

// WriteAtomic replaces path by a file of b that everybody may read: the old
// file or the whole new one is there, whatever is interrupted when.
func WriteAtomic(path string, b []byte) error { return write(path, b, 0o644, true) }

// WriteAtomicScratch is WriteAtomic for a file that need not outlive a crash of
// the machine, and that its owner alone reads: it is not flushed.
func WriteAtomicScratch(path string, b []byte) error { return write(path, b, 0o600, false) }

func write(path string, b []byte, perm fs.FileMode, flush bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error says more
		}
	}()
	_, err = f.Write(b)
	if err == nil && flush {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(f.Name(), perm)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
