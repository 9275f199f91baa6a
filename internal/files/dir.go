package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// renames are the system's ways to rename a folder, and what a test is told of
// the steps between.
type renames struct {
	// exchange gives each of two folders the other's name in one step, and is
	// errors.ErrUnsupported where system or file system cannot.
	exchange func(a, b string) error
	step     func(name string)
}

var system = renames{exchange: exchange, step: func(string) {}}

// ReplaceDir gives the folder fresh the name dir and removes what had it. Both
// lie on one file system. A process that is killed at any moment leaves the old
// folder or the new one, whole. Where the system cannot exchange two folders
// in one step, dir may be missing after a kill; the old folder then lies beside
// it, and the next RestoreDir or ReplaceDir gives it its name again. After an
// error dir is as it was, or the error says where it lies. What cannot be
// removed of the old folder is left at fresh.
func ReplaceDir(fresh, dir string) error { return system.replace(fresh, dir) }

func (s renames) replace(fresh, dir string) error {
	if err := RestoreDir(dir); err != nil {
		return err
	}
	s.step("restored")
	if err := RenameNew(fresh, dir); err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.step("exchange")
	err := s.exchange(fresh, dir)
	if errors.Is(err, errors.ErrUnsupported) {
		err = s.replaceByTwo(fresh, dir)
	}
	if err != nil {
		return err
	}
	s.step("remove")
	_ = os.RemoveAll(fresh) // the new folder is there
	return nil
}

// replaceByTwo exchanges fresh and dir by several renames.
func (s renames) replaceByTwo(fresh, dir string) error {
	old := aside(dir)
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	s.step("the old one is aside")
	if err := os.Rename(fresh, dir); err != nil {
		if back := os.Rename(old, dir); back != nil {
			err = fmt.Errorf("%w; what was there is now %s: %w", err, old, back)
		}
		return err
	}
	s.step("the new one is there")
	_ = RestoreDir(dir) // removes the old one, or the next call does
	return nil
}

// aside is where replaceByTwo puts dir for a moment. It is the same in each
// process, so that the next one finds it.
func aside(dir string) string {
	dir = filepath.Clean(dir)
	return filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".embedgate-old")
}

// RestoreDir undoes a ReplaceDir that was killed between its steps: it gives
// the old folder its name again where dir is missing, and removes it where the
// new one is there. It is for callers that look at dir before they replace it.
func RestoreDir(dir string) error {
	old := aside(dir)
	gone := old + "-gone" // never restored: it may be half removed
	if exists(old) {
		if !exists(dir) {
			return os.Rename(old, dir)
		}
		if err := os.Rename(old, gone); err != nil {
			return err
		}
	}
	return os.RemoveAll(gone)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// RenameNew renames a folder and fails with fs.ErrExist where the new name is
// taken: in one step where system and file system know how.
func RenameNew(from, to string) error {
	err := renameNew(from, to)
	if errors.Is(err, errors.ErrUnsupported) {
		return renameChecked(from, to)
	}
	return err
}

// renameChecked leaves a moment between the look and the rename, in which a
// lock must keep others away.
func renameChecked(from, to string) error {
	if exists(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
