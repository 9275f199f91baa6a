package dirstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// makeDirs makes dir and the missing directories above it, and flushes them.
func makeDirs(dir string) error {
	if i, err := os.Stat(dir); err == nil && i.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirs(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		if i, e := os.Stat(dir); e == nil && i.IsDir() {
			return nil // another process made it
		}
		return err
	}
	return syncDir(parent)
}

// syncDirs flushes the entries of dir and of every directory in it.
func syncDirs(dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(p)
	})
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows has no such call for directories
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
