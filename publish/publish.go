package publish

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
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// Options says what to publish, and where.
type Options struct {
	CandidateDir string
	Golden       golden.Set // the one that the policy means
	EvidenceDirs []string   // all that the verdict was given on, in any order
	VerdictFile  string
	Policy       policy.Policy
	Channel      string // for which the verdict must be
	Nonce        string // of the round that the verdict must be on
	Target       string // a directory, as PATH or dir:PATH; the release is a folder in it
	Progress     progress.Sink

	step func(name string) // called before each step that writes; tests die there
}

// Result is a release that is there.
type Result struct {
	Dir     string
	Existed bool   // it was there already, with the same content, and was not touched
	Digest  string // of its content
}

// tmpPrefix begins the names of unfinished releases in a target, and tmpName is
// the whole of one: what somebody else called nearly so is not ours to remove.
const tmpPrefix = ".tmp-release-"

var tmpName = regexp.MustCompile(`^\.tmp-release-[0-9a-f]{32}$`)

// makeTemp makes a directory of such a name.
func makeTemp(target string) (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	dir := filepath.Join(target, tmpPrefix+hex.EncodeToString(b[:]))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // whatever the umask: others may read a release
}

// Publish writes the release, or finds that it is there. A verdict that is not
// PASS is a fault of kind Refused or Unsure; files that are not those that
// were judged, and a version that is out with other content, are faults of
// kind Usage; a target that cannot be written is one of kind Missing. After an
// error the target holds the releases that it held before. When ctx is
// cancelled before the release is there, its error is returned.
func Publish(ctx context.Context, o Options) (r Result, err error) {
	if o.step == nil {
		o.step = func(string) {}
	}
	target, err := directory(o.Target)
	if err != nil {
		return r, err
	}
	s, err := o.gather(ctx)
	if err != nil {
		return r, err
	}
	r = Result{Dir: filepath.Join(target, s.manifest.name()), Digest: s.manifest.Content}
	// Before the lock, so that a release that is there is found even in a
	// target that is full or cannot be written.
	if there(r.Dir) {
		r.Existed = true
		return r, s.same(ctx, r.Dir)
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	o.step("target")
	if err := makeDirs(target); err != nil {
		return r, cannotWrite(target, err)
	}
	unlock, err := cache.Lock(ctx, filepath.Join(target, ".embedgate"), func() {
		o.Progress.Say("waiting for another embedgate that is publishing to %s", target)
	})
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if err != nil {
		return r, cannotWrite(target, err)
	}
	defer unlock()
	o.step("locked")
	clean(target)
	if !there(r.Dir) {
		err = s.write(ctx, target, r.Dir, o.step)
		if !errors.Is(err, errTaken) {
			if err == nil {
				o.Progress.Say("released %s", r.Dir)
			}
			return r, err
		}
	}
	r.Existed = true // another one was faster
	return r, s.same(ctx, r.Dir)
}

// scheme is two letters or more: one letter is a Windows drive.
var scheme = regexp.MustCompile(`^([a-z][a-z0-9+.-]+):(.*)$`)

// directory returns the path of a directory target.
func directory(target string) (string, error) {
	path := target
	if m := scheme.FindStringSubmatch(target); m != nil {
		if m[1] != "dir" {
			return "", &fault.Error{Kind: fault.Usage, Thing: "target " + target, Got: "the kind " + m[1], Wanted: "a directory, as PATH or dir:PATH"}
		}
		path = m[2]
	}
	if path == "" {
		return "", &fault.Error{Kind: fault.Usage, Thing: "target", Got: "none", Wanted: "a directory, as PATH or dir:PATH", Next: "name one with --to, such as --to dist"}
	}
	return filepath.Clean(path), nil
}

// errTaken is told when the release's name was taken while it was written: by
// one who does not share the lock, such as another machine on a network disk.
var errTaken = errors.New("the release is there already")

// write puts the release together under another name, reads it back, and
// renames it to dir in one step.
func (s shipment) write(ctx context.Context, target, dir string, step func(string)) error {
	tmp, err := makeTemp(target)
	if err != nil {
		return cannotWrite(target, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone by then when all went well
	for _, f := range slices.Sorted(maps.Keys(s.parts)) {
		step("file " + f)
		if err := s.parts[f].write(ctx, filepath.Join(tmp, filepath.FromSlash(f))); err != nil {
			return err
		}
	}
	step("manifest")
	b, err := s.manifest.encode()
	if err != nil {
		return err
	}
	if err := bytesPart(b).write(ctx, filepath.Join(tmp, ManifestName)); err != nil {
		return err
	}
	step("flush")
	if err := syncDirs(tmp); err != nil {
		return cannotWrite(target, err)
	}
	step("read back")
	if err := s.readBack(ctx, tmp); err != nil {
		return err
	}
	step("rename")
	if err := files.RenameNew(tmp, dir); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return errTaken
		}
		return cannotWrite(dir, err)
	}
	step("renamed")
	if err := syncDir(target); err != nil {
		return cannotWrite(target, err)
	}
	return nil
}

// readBack verifies what was written, all but the gate: it judged these very
// digests a moment ago.
func (s shipment) readBack(ctx context.Context, tmp string) error {
	r := Report{Dir: tmp, expect: s.expect}
	for _, c := range r.checks() {
		if c.name == gateAgain {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := c.check(ctx); err != nil {
			return &fault.Error{
				Kind: fault.Usage, Thing: "the release as written", Got: c.name + ": " + err.Error(), Wanted: "one that embedgate verify accepts",
				Next: "correct what is named; nothing was published",
			}
		}
	}
	return nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// same accepts an existing release only if it is whole and proven, has this
// content, and is out for this channel.
func (s shipment) same(ctx context.Context, dir string) error {
	m := s.manifest
	rep, err := Verify(ctx, dir, Expect{Golden: s.expect.Golden})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "a damaged release of this version", Wanted: "a whole one, or none", Err: err,
			Next: "see `embedgate verify " + dir + "`; move it away before publishing again",
		}
	}
	const next = "raise release.version in the policy: a version that is out is never changed"
	if rep.Manifest.Content != m.Content {
		return &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "other content under this version: " + rep.Manifest.Content,
			Wanted: m.Content + " (differs: " + differing(rep.Manifest.Files, m.Files) + ")", Next: next,
		}
	}
	if rep.Manifest.Channel != m.Channel {
		return &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "a release for channel " + rep.Manifest.Channel, Wanted: "channel " + m.Channel,
			Next: next + "; or name another --to",
		}
	}
	return nil
}

// differing names what is shipped in one and not, or not alike, in the other.
func differing(have, want map[string]candidate.File) string {
	var names []string
	for f := range have {
		if w, ok := want[f]; shipped(f) && (!ok || w != have[f]) {
			names = append(names, f)
		}
	}
	for f := range want {
		if _, ok := have[f]; shipped(f) && !ok {
			names = append(names, f)
		}
	}
	slices.Sort(names)
	if n := len(names); n > 4 {
		names = append(names[:4], fmt.Sprintf("%d more", n-4))
	}
	return strings.Join(names, ", ")
}

func cannotWrite(thing string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: thing, Got: "a target that cannot be written", Wanted: "room for the release and leave to write it", Err: err,
		Next: "free some space or name another --to; nothing half written was left",
	}
}

// clean removes what publishers that died left. The caller holds the target's
// lock, which goes with its process, so that no live one is at work.
func clean(target string) {
	entries, err := os.ReadDir(target)
	if err != nil {
		return // told by what comes next
	}
	for _, e := range entries {
		if e.IsDir() && tmpName.MatchString(e.Name()) {
			_ = os.RemoveAll(filepath.Join(target, e.Name())) // the next one tries again
		}
	}
}
