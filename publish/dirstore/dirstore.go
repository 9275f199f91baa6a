// Package dirstore keeps releases in a directory, a folder for each. A release
// is put together under a temporary name and gets its own in one step, so that
// a publisher that is killed leaves no part of one. The package must not know
// what makes a release right.
package dirstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/publish/store"
)

// tmpPrefix begins the names of unfinished releases, and tmpName is the whole
// of such a name. A folder that somebody else named nearly so is not removed.
const tmpPrefix = ".tmp-release-"

var tmpName = regexp.MustCompile(`^\.tmp-release-[0-9a-f]{32}$`)

// lockName is the file that a process locks to write into the directory.
const lockName = ".embedgate"

// Store is a directory with releases. It need not exist before the first Put.
type Store struct {
	dir  string
	sink progress.Sink
}

// New returns the store in dir. The sink hears when Put waits for another
// process.
func New(dir string, sink progress.Sink) *Store { return &Store{filepath.Clean(dir), sink} }

// Location is the path of the release's folder.
func (s *Store) Location(name string) string { return filepath.Join(s.dir, name) }

// Exists tells whether anything has the name.
func (s *Store) Exists(_ context.Context, name string) (bool, error) {
	if err := store.CheckName(name); err != nil {
		return false, err
	}
	// A directory that cannot be read is an error of Put, which names the
	// remedy.
	return exists(s.Location(name)), nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Open returns the release's folder.
func (s *Store) Open(_ context.Context, name string) (store.Folder, error) {
	if err := store.CheckName(name); err != nil {
		return store.Folder{}, err
	}
	return OpenFolder(s.Location(name))
}

// OpenFolder opens the release in a folder of any name. The folder may be a
// link, such as "latest".
func OpenFolder(dir string) (store.Folder, error) {
	at := dir
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		at = target
	}
	if i, err := os.Stat(at); err != nil || !i.IsDir() {
		return store.Folder{}, &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "no directory", Wanted: "a release directory, with its " + store.ManifestName, Err: err,
			Next: "name a directory that embedgate published",
		}
	}
	return store.Folder{Dir: at}, nil
}

// Put writes the release under a temporary name, has it checked, and renames
// it in one step.
func (s *Store) Put(ctx context.Context, r store.Release) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Step == nil {
		r.Step = func(string) {}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Step("target")
	if err := makeDirs(s.dir); err != nil {
		return cannotWrite(s.dir, err)
	}
	unlock, err := cache.Lock(ctx, filepath.Join(s.dir, lockName), func() {
		s.sink.Say("waiting for another embedgate that is publishing to %s", s.dir)
	})
	if err == nil {
		defer unlock()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return cannotWrite(s.dir, err)
	}
	r.Step("locked")
	s.removeAbandoned()
	if exists(s.Location(r.Name)) {
		return s.taken(r.Name)
	}
	return s.write(ctx, r)
}

func (s *Store) taken(name string) error {
	return fmt.Errorf("%s: %w", s.Location(name), store.ErrExists)
}

func (s *Store) write(ctx context.Context, r store.Release) error {
	tmp, err := s.makeTemp()
	if err != nil {
		return cannotWrite(s.dir, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // after the rename it is not there
	names := slices.Sorted(maps.Keys(r.Files))
	names = append(slices.DeleteFunc(names, func(f string) bool { return f == store.ManifestName }), store.ManifestName)
	for _, f := range names {
		r.Step("file " + f)
		path := filepath.Join(tmp, filepath.FromSlash(f))
		if err := r.Files[f].CopyTo(ctx, path); err != nil {
			if _, ok := errors.AsType[*store.SourceError](err); ok || ctx.Err() != nil {
				return err
			}
			return cannotWrite(path, err)
		}
	}
	r.Step("flush")
	if err := syncDirs(tmp); err != nil {
		return cannotWrite(s.dir, err)
	}
	r.Step("check")
	if r.Check != nil {
		if err := r.Check(ctx, tmp); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Step("rename")
	to := s.Location(r.Name)
	if err := files.RenameNew(tmp, to); err != nil {
		if errors.Is(err, fs.ErrExist) { // taken by a machine that does not share the lock
			return s.taken(r.Name)
		}
		return cannotWrite(to, err)
	}
	r.Step("renamed")
	if err := syncDir(s.dir); err != nil {
		return cannotWrite(s.dir, err)
	}
	return nil
}

// makeTemp makes a directory with a temporary name.
func (s *Store) makeTemp() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, tmpPrefix+hex.EncodeToString(b[:]))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // whatever the umask: others may read a release
}

// removeAbandoned removes the temporary directories of processes that were
// killed. The caller holds the lock, which ends with its process, so that no
// other process is writing.
func (s *Store) removeAbandoned() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return // the next step fails with the same error
	}
	for _, e := range entries {
		if e.IsDir() && tmpName.MatchString(e.Name()) {
			_ = os.RemoveAll(filepath.Join(s.dir, e.Name())) // the next Put tries again
		}
	}
}

func cannotWrite(thing string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: thing, Got: "a target that cannot be written", Wanted: "room for the release and leave to write it", Err: err,
		Next: "free some space or name another --to; nothing half written was left",
	}
}
