// Package storetest is one suite that every store of releases must pass, and a
// store in memory for the tests of those who use one. It must not know any
// other kind of store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/publish/store"
)

// A Rule is one thing that the contract of store.Store says.
type Rule struct {
	Name  string
	check func(s suite) error
}

// Rules is the suite.
var Rules = []Rule{
	{"an empty store holds nothing", empty},
	{"what is opened is what was put", roundTrip},
	{"two names are two releases", twoNames},
	{"the same put twice is reported and unchanged", func(s suite) error { return s.putOnTop("one") }},
	{"other content under a taken name is reported and the first is unchanged", func(s suite) error { return s.putOnTop("two") }},
	{"a release is not there before its check accepts it", checkFirst},
	{"a release that its check refuses is not there", checkRefuses},
	{"a file that cannot be read, or is another, leaves nothing", badSource},
	{"names that are no plain paths are refused", badNames},
	{"a release without its manifest is refused", noManifest},
	{"cancelled at any step, all of the release is there or nothing", cancelled},
	{"of several that put one name at once, one succeeds", atOnce},
}

// suite is what a rule works with.
type suite struct {
	ctx context.Context
	dir string             // for the files that are put
	new func() store.Store // a store of its own, empty
}

// Check runs a rule and returns how the store breaks it. open returns a store
// that is new and empty at each call, and dir is an empty folder for the rule.
func (r Rule) Check(ctx context.Context, dir string, open func() store.Store) error {
	return r.check(suite{ctx, dir, open})
}

const name = "model-1.0.0"

// release has a file from a path, an empty one, one in folders, and the
// manifest. It has no more, because a store may flush each to the disk.
func (s suite) release(content string) (store.Release, error) {
	path := filepath.Join(s.dir, files.HashBytes([]byte(content))+".bin")
	b := []byte(strings.Repeat(content, 1000))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return store.Release{}, err
	}
	return store.Release{Name: name, Files: map[string]store.File{
		"model/weights.bin":  {Path: path, Identity: files.IdentityOf(b)},
		"a@b-c+d/1_P/c.json": store.FileOf(nil),
		store.ManifestName:   store.FileOf([]byte("names " + content)),
	}}, nil
}

// put puts a release that no rule forbids.
func (s suite) put(to store.Store, content string) (store.Release, error) {
	r, err := s.release(content)
	if err != nil {
		return r, err
	}
	if err := to.Put(s.ctx, r); err != nil {
		return r, fmt.Errorf("Put of a good release: %w", err)
	}
	return r, s.holds(to, r)
}

// holds wants all of the release in the store.
func (s suite) holds(in store.Store, r store.Release) error {
	if ok, err := in.Exists(s.ctx, r.Name); err != nil || !ok {
		return fmt.Errorf("Exists(%q): got %v and error %v, wanted true", r.Name, ok, err)
	}
	folder, err := in.Open(s.ctx, r.Name)
	if err != nil {
		return fmt.Errorf("Open(%q): %w", r.Name, err)
	}
	err = sameFiles(folder.Dir, r)
	if e := folder.Close(); err == nil {
		err = e
	}
	return err
}

// lacks wants nothing under the name in the store.
func (s suite) lacks(in store.Store, name string) error {
	if ok, err := in.Exists(s.ctx, name); err != nil || ok {
		return fmt.Errorf("Exists(%q): got %v and error %v, wanted false", name, ok, err)
	}
	folder, err := in.Open(s.ctx, name)
	if err == nil {
		_ = folder.Close() // the rule is broken already
	}
	return wantError("Open of a name that is not there", err, fs.ErrNotExist)
}

// sameFiles wants exactly the release's files in dir.
func sameFiles(dir string, r store.Release) error {
	have := map[string]files.Identity{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		have[filepath.ToSlash(rel)], err = files.HashFile(p)
		return err
	})
	if err != nil {
		return err
	}
	want := map[string]files.Identity{}
	for f := range r.Files {
		want[f] = r.Files[f].Identity
	}
	if !maps.Equal(have, want) {
		return fmt.Errorf("release %s: got the files %v, wanted %v", r.Name, have, want)
	}
	return nil
}

func wantError(what string, got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("%s: got error %v, wanted %q", what, got, want)
	}
	return nil
}

func empty(s suite) error { return s.lacks(s.new(), name) }

func roundTrip(s suite) error {
	to := s.new()
	_, err := s.put(to, "one")
	if err == nil && to.Location(name) == "" {
		err = errors.New("Location: got nothing, wanted a name for people")
	}
	return err
}

func twoNames(s suite) error {
	to := s.new()
	first, err := s.put(to, "one")
	if err != nil {
		return err
	}
	second, err := s.release("two")
	if err != nil {
		return err
	}
	second.Name = "model-1.0.1"
	if err := s.lacks(to, second.Name); err != nil {
		return err
	}
	if err := to.Put(s.ctx, second); err != nil {
		return err
	}
	if to.Location(first.Name) == to.Location(second.Name) {
		return fmt.Errorf("Location: got %q for two names", to.Location(first.Name))
	}
	return errors.Join(s.holds(to, first), s.holds(to, second))
}

// putOnTop puts content under a name that is taken.
func (s suite) putOnTop(content string) error {
	to := s.new()
	first, err := s.put(to, "one")
	if err != nil {
		return err
	}
	second, err := s.release(content)
	if err != nil {
		return err
	}
	return errors.Join(wantError("Put under a taken name", to.Put(s.ctx, second), store.ErrExists), s.holds(to, first))
}

func checkFirst(s suite) error {
	to := s.new()
	r, err := s.release("one")
	if err != nil {
		return err
	}
	calls := 0
	r.Check = func(_ context.Context, dir string) error {
		calls++
		return errors.Join(sameFiles(dir, r), s.lacks(to, r.Name))
	}
	if err := to.Put(s.ctx, r); err != nil {
		return err
	}
	if calls == 0 {
		return errors.New("Put: got no call of Check, wanted one")
	}
	return s.holds(to, r)
}

var errRefused = errors.New("refused by the check")

func checkRefuses(s suite) error {
	to := s.new()
	r, err := s.release("one")
	if err != nil {
		return err
	}
	r.Check = func(context.Context, string) error { return errRefused }
	return errors.Join(wantError("Put", to.Put(s.ctx, r), errRefused), s.absentThenPut(to))
}

// absentThenPut wants nothing left after a Put that failed, and the next to
// succeed.
func (s suite) absentThenPut(to store.Store) error {
	if err := s.lacks(to, name); err != nil {
		return err
	}
	_, err := s.put(to, "one")
	return err
}

func badSource(s suite) error {
	to := s.new()
	for what, spoil := range map[string]func(path string) error{
		"removed": os.Remove,
		"changed": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(path, b, 0o644)
			}
			return err
		},
		"longer": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, append(b, 0), 0o644)
			}
			return err
		},
		"shorter": func(path string) error { return os.Truncate(path, 1) },
	} {
		r, err := s.release("one")
		if err != nil {
			return err
		}
		path := r.Files["model/weights.bin"].Path
		if err := spoil(path); err != nil {
			return err
		}
		err = to.Put(s.ctx, r)
		if e, ok := errors.AsType[*store.SourceError](err); !ok || e.Path != path {
			return fmt.Errorf("Put of a file that was %s: got error %v, wanted a SourceError of %s", what, err, path)
		}
		if err := s.lacks(to, r.Name); err != nil {
			return fmt.Errorf("after a file that was %s: %w", what, err)
		}
	}
	return s.absentThenPut(to)
}

func badNames(s suite) error {
	to := s.new()
	for _, bad := range []string{"", ".", "..", "../x", "/x", "a/b", `a\b`, "C:x", ".hidden", "-a", "a b", "a\nb", "con", "a.", strings.Repeat("a", 256)} {
		r, err := s.release("one")
		if err != nil {
			return err
		}
		r.Name = bad
		if err := to.Put(s.ctx, r); err == nil {
			return fmt.Errorf("Put of a release named %.20q: got no error", bad)
		}
		if _, err := to.Exists(s.ctx, bad); err == nil {
			return fmt.Errorf("Exists(%.20q): got no error", bad)
		}
		if _, err := to.Open(s.ctx, bad); err == nil {
			return fmt.Errorf("Open(%.20q): got no error", bad)
		}
	}
	for _, bad := range []string{"", "../x", "/x", "a/../b", "a//b", `a\b`, ".x", "a/.x", "nul", "a/com1.json"} {
		r, err := s.release("one")
		if err != nil {
			return err
		}
		r.Files[bad] = store.FileOf(nil)
		if err := to.Put(s.ctx, r); err == nil {
			return fmt.Errorf("Put of a file named %q: got no error", bad)
		}
	}
	return s.absentThenPut(to)
}

func noManifest(s suite) error {
	to := s.new()
	r, err := s.release("one")
	if err != nil {
		return err
	}
	delete(r.Files, store.ManifestName)
	if err := to.Put(s.ctx, r); err == nil {
		return errors.New("Put without a manifest: got no error")
	}
	return s.absentThenPut(to)
}

func cancelled(s suite) error {
	var steps []string
	r, err := s.release("one")
	if err != nil {
		return err
	}
	r.Step = func(step string) { steps = append(steps, step) }
	if err := s.new().Put(s.ctx, r); err != nil {
		return err
	}
	if len(steps) == 0 {
		return errors.New("Put: got no call of Step, wanted one before each step")
	}
	// One store for all that fail, so that each works after the one before.
	to := s.new()
	for i := range len(steps) + 1 {
		done, err := s.cancelAt(to, r, i)
		if err != nil {
			return fmt.Errorf("cancelled at step %d of %q: %w", i, steps, err)
		}
		if done {
			to = s.new()
		}
	}
	_, err = s.put(to, "one")
	return err
}

// cancelAt cancels Put at its i-th step, or before Put where i is 0. It tells
// whether that was too late and the release is there.
func (s suite) cancelAt(to store.Store, r store.Release, i int) (done bool, err error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	n := 0
	r.Step = func(string) {
		if n++; n == i {
			cancel()
		}
	}
	if i == 0 {
		cancel()
	}
	err = to.Put(ctx, r)
	if err == nil && i > 1 {
		return true, s.holds(to, r)
	}
	return false, errors.Join(wantError("Put", err, context.Canceled), s.lacks(to, r.Name))
}

func atOnce(s suite) error {
	to := s.new()
	const n = 4
	releases := make([]store.Release, n)
	for i := range releases {
		var err error
		if releases[i], err = s.release(fmt.Sprint("content ", i)); err != nil {
			return err
		}
	}
	failed := make([]error, n)
	var wait sync.WaitGroup
	for i := range releases {
		wait.Go(func() { failed[i] = to.Put(s.ctx, releases[i]) })
	}
	wait.Wait()
	winner := slices.Index(failed, nil)
	if winner < 0 {
		return fmt.Errorf("Put: got %v, wanted one without an error", failed)
	}
	for i, err := range failed {
		if i != winner {
			if err := wantError("Put of another at the same time", err, store.ErrExists); err != nil {
				return err
			}
		}
	}
	return s.holds(to, releases[winner])
}
