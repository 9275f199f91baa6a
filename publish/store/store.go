// Package store is the contract of a place that holds releases: a directory
// today, other kinds later. A release appears in it whole or not at all, and
// is never changed. Package storetest holds one suite for every store. The
// package must not know what makes a release right, nor any kind of store.
package store

import (
	"context"
	"errors"
	"fmt"
)

// ManifestName is the file of a release that names all others. A store writes
// it last.
const ManifestName = "release.json"

// ErrExists is wrapped by the error of Put where the name is taken.
var ErrExists = errors.New("a release of this name exists")

// A Store holds releases by name. It may be used by several processes at once.
type Store interface {
	// Location names a release for people and for embedgate verify, whether
	// it exists or not.
	Location(name string) string

	// Exists tells whether the name is taken, by a release or by anything
	// else. It writes nothing, and works where the store cannot be written.
	Exists(ctx context.Context, name string) (bool, error)

	// Put adds a release. It is there only after all of it was written and
	// r.Check accepted it. After an error, or after the process was killed,
	// it is not there, and the next Put of it works.
	//
	// Where the name is taken, the error wraps ErrExists, and what is there
	// stays as it is. Whether that is the same release is for the caller to
	// find out. Where ctx ended before the release was there, the error is
	// ctx's. Where a file cannot be read, or is not what its Identity says,
	// it is a *SourceError. Where the store cannot be written, it is a
	// fault.Error of kind Missing.
	Put(ctx context.Context, r Release) error

	// Open gives a release as a folder. Where there is none, the error wraps
	// fs.ErrNotExist.
	Open(ctx context.Context, name string) (Folder, error)
}

// Release is what Put writes.
type Release struct {
	Name  string          // one that CheckName accepts
	Files map[string]File // by slash path, which CheckPath accepts; ManifestName is one of them

	// Check is called with all of the release, in a folder of this machine,
	// before it is there. Its error ends Put. Nil: no check.
	Check func(ctx context.Context, dir string) error

	// Step is called before each step of Put. A step before which the process
	// is killed has not happened. It is for tests, which stop there. Nil: not
	// called.
	Step func(name string)
}

// Validate refuses a release that no store takes.
func (r Release) Validate() error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	for f := range r.Files {
		if err := CheckPath(f); err != nil {
			return err
		}
	}
	if _, ok := r.Files[ManifestName]; !ok {
		return fmt.Errorf("release %s: got no file %s, wanted one: it names the others", r.Name, ManifestName)
	}
	return nil
}

// Folder is a release in a folder of this machine. Nothing may be written
// there.
type Folder struct {
	Dir string

	// Remove removes what Open made, such as a copy from another machine.
	// Nil: nothing was made.
	Remove func() error
}

// Close ends the use of the folder.
func (f Folder) Close() error {
	if f.Remove == nil {
		return nil
	}
	return f.Remove()
}
