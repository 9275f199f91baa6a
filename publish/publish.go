package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish/store"
)

// Options says what to publish, and where.
type Options struct {
	CandidateDir string
	Golden       golden.Set // the one that the policy means
	EvidenceDirs []string   // all that the verdict was given on, in any order
	VerdictFile  string
	Policy       policy.Policy
	Channel      string // that the verdict must be for
	Nonce        string // of the round that the verdict must be on
	Target       string // a directory, as PATH or dir:PATH; the release is a folder in it
	Progress     progress.Sink

	step func(name string) // store.Release.Step
}

// Result is a release that is published.
type Result struct {
	Dir     string // the release's location in the store
	Existed bool   // it was there already, with the same content, and was not changed
	Digest  string // of its content
}

// Publish writes the release to the target, or finds that it is there. A verdict
// that is not PASS is a fault of kind Refused or Unsure. Files that are not those
// that were judged, and a version that is published with other content, are
// faults of kind Usage. A target that cannot be written is one of kind Missing.
// After an error the target holds the releases that it held before. When ctx
// ends before the release is there, its error is returned.
func Publish(ctx context.Context, o Options) (Result, error) {
	k, place, err := parseTarget(o.Target)
	if err != nil {
		return Result{}, err
	}
	return o.publishTo(ctx, k.store(place, o.Progress))
}

func (o Options) publishTo(ctx context.Context, to store.Store) (r Result, err error) {
	s, err := o.gather(ctx)
	if err != nil {
		return r, err
	}
	name := s.manifest.name()
	r = Result{Dir: to.Location(name), Digest: s.manifest.Content}
	// Before Put, so that a release that exists is found even in a store that
	// is full or cannot be written.
	if r.Existed, err = to.Exists(ctx, name); err != nil {
		return r, err
	}
	if !r.Existed {
		release, err := s.release(o.step)
		if err != nil {
			return r, err
		}
		err = to.Put(ctx, release)
		if err == nil {
			o.Progress.Say("released %s", r.Dir)
			return r, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return r, sourceFault(err)
		}
		r.Existed = true // another publisher was faster
	}
	return r, s.checkSame(ctx, to)
}

// release returns what a store writes.
func (s releaseFiles) release(step func(string)) (store.Release, error) {
	b, err := s.manifest.encode()
	if err != nil {
		return store.Release{}, err
	}
	all := maps.Clone(s.files)
	all[ManifestName] = store.FileOf(b)
	check := func(ctx context.Context, dir string) error { return checkWritten(ctx, dir, s.expect) }
	return store.Release{Name: s.manifest.name(), Files: all, Check: check, Step: step}, nil
}

// sourceFault turns the error of a file that was to be published into a fault.
func sourceFault(err error) error {
	e, ok := errors.AsType[*store.SourceError](err)
	if !ok {
		return err
	}
	if d, ok := errors.AsType[*files.DigestError](e.Err); ok {
		return notJudged(e.Path, d.Got.SHA256, d.Wanted.SHA256)
	}
	return &fault.Error{Kind: fault.Usage, Thing: e.Path, Wanted: "the file that was judged", Err: e.Err}
}

// checkSame accepts the existing release only if it verifies, has this content,
// and is published for this channel.
func (s releaseFiles) checkSame(ctx context.Context, in store.Store) error {
	m := s.manifest
	at := in.Location(m.name())
	have, err := openAndVerify(ctx, in, m.name(), Expect{Golden: s.expect.Golden})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &fault.Error{
			Kind: fault.Usage, Thing: at, Got: "a damaged release of this version", Wanted: "a whole one, or none", Err: err,
			Next: "see `embedgate verify " + at + "`; move it away before publishing again",
		}
	}
	const next = "raise release.version in the policy: a version that is out is never changed"
	if have.Content != m.Content {
		return &fault.Error{
			Kind: fault.Usage, Thing: at, Got: "other content under this version: " + have.Content,
			Wanted: m.Content + " (differs: " + differingFiles(have.Files, m.Files) + ")", Next: next,
		}
	}
	if have.Channel != m.Channel {
		return &fault.Error{
			Kind: fault.Usage, Thing: at, Got: "a release for channel " + have.Channel, Wanted: "channel " + m.Channel,
			Next: next + "; or name another --to",
		}
	}
	return nil
}

// openAndVerify verifies a release of the store and returns its manifest.
func openAndVerify(ctx context.Context, in store.Store, name string, e Expect) (m Manifest, err error) {
	folder, err := in.Open(ctx, name)
	if err != nil {
		return m, err
	}
	r, err := verifyFolder(ctx, folder, in.Location(name), e)
	if e := r.Close(); err == nil {
		err = e
	}
	return r.Manifest, err
}

// differingFiles names the files of the content that are in one release only,
// or differ.
func differingFiles(have, want map[string]candidate.File) string {
	var names []string
	for f := range have {
		if w, ok := want[f]; isContent(f) && (!ok || w != have[f]) {
			names = append(names, f)
		}
	}
	for f := range want {
		if _, ok := have[f]; isContent(f) && !ok {
			names = append(names, f)
		}
	}
	slices.Sort(names)
	if n := len(names); n > 4 {
		names = append(names[:4], fmt.Sprintf("%d more", n-4))
	}
	return strings.Join(names, ", ")
}
