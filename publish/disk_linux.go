package publish

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameNew renames a directory and fails where the new name is taken, in one
// step of the kernel where the file system knows how.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return renameChecked(from, to)
	}
	return err
}
