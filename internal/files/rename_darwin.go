package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func exchange(a, b string) error { return rename(a, b, unix.RENAME_SWAP) }

func renameNew(from, to string) error { return rename(from, to, unix.RENAME_EXCL) }

func rename(from, to string, flag uint32) error {
	err := unix.RenamexNp(from, to, flag)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
		return errors.ErrUnsupported // the file system has no such call
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}
