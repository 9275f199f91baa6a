package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
)

// Options says what to bundle, and where.
type Options struct {
	Candidate candidate.Candidate
	Policy    policy.Policy
	PolicyDir string // folder of the policy's file: what model.golden is relative to
	Provider  string // what the other machine is to measure
	Nonce     string // of the plan; "": none
	Binary    string // embedgate for the other machine
	// Libraries by provider: that of Provider, and that of the provider which
	// the policy compares it with.
	Libraries map[string]providers.Library
	Out       string // folder to make; it may exist if it is empty
	PartSize  int64  // bytes; 0: the folder itself, else parts of it
	Progress  progress.Sink
}

// Result describes a finished bundle.
type Result struct {
	Dir      string
	Manifest Manifest
	Parts    int
	Digest   string // sha256 of bundle.json, or of SHA256SUMS where there are parts: to compare on the other machine
}

var safe = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Make writes the bundle, or nothing. What it cannot use is a fault of kind
// Usage, a folder that cannot be written one of kind Missing.
func Make(ctx context.Context, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	m, parts, err := o.gather()
	if err != nil {
		return Result{}, err
	}
	out, err := prepareOut(o.Out)
	if err != nil {
		return Result{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".tmp-bundle-")
	if err != nil {
		return Result{}, cannotWrite(o.Out, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	whole := filepath.Join(tmp, "whole")
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if err := parts[name].write(ctx, whole, name, m.Files[name]); err != nil {
			return Result{}, err
		}
	}
	b, err := m.encode()
	if err != nil {
		return Result{}, err
	}
	if err := os.WriteFile(filepath.Join(whole, ManifestName), b, 0o644); err != nil {
		return Result{}, cannotWrite(o.Out, err)
	}
	r := Result{Dir: o.Out, Manifest: m, Digest: files.HashBytes(b)}
	if o.PartSize > 0 {
		split := filepath.Join(tmp, "split")
		if r.Parts, r.Digest, err = splitInto(ctx, split, whole, m, o.PartSize); err != nil {
			return Result{}, err
		}
		whole = split
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return r, renameInto(whole, out)
}

func (o Options) check() error {
	p, ok := o.Policy.Providers[o.Provider]
	switch {
	case !ok || len(p.Variants) == 0:
		return usage("--for", o.Provider, fmt.Sprintf("one of the policy's providers: %q", slices.Sorted(maps.Keys(o.Policy.Providers))), "")
	case o.Nonce != "" && !safe.MatchString(o.Nonce):
		return usage("--nonce", fmt.Sprintf("%.120q", o.Nonce), "letters, digits and ._-, at most 100", "")
	case o.PartSize < 0 || o.PartSize > 0 && o.PartSize < 1<<20:
		return usage("--part-size", fmt.Sprint(o.PartSize, " bytes"), "1MiB or more", "")
	case o.Libraries[o.Provider].Path == "":
		return usage("the library of "+o.Provider, "none", "one to bundle", "name it with --ort-lib FILE")
	}
	for name := range o.Libraries {
		if !safe.MatchString(name) {
			return usage("provider", fmt.Sprintf("%.120q", name), "a name", "")
		}
	}
	return nil
}

// fileSource is where a file of a bundle comes from: a path, or bytes where that
// is empty.
type fileSource struct {
	from string
	raw  []byte
}

// gather lists every file with its digest, and writes nothing.
func (o Options) gather() (m Manifest, pieces map[string]fileSource, err error) {
	m = Manifest{
		Schema: schema, Provider: o.Provider, Variants: o.Policy.Providers[o.Provider].Variants, Nonce: o.Nonce,
		Candidate: o.Candidate.Digest, Policy: o.Policy.Digest, Libraries: map[string]string{}, Files: map[string]candidate.File{},
	}
	bad := func(thing string, err error) (Manifest, map[string]fileSource, error) {
		return m, nil, &fault.Error{Kind: fault.Usage, Thing: thing, Wanted: "a file to bundle", Err: err}
	}
	if m.Platform, err = platformOf(o.Binary); err != nil {
		return bad("--binary", err)
	}
	pieces = map[string]fileSource{program(m.Platform): {from: o.Binary}, PolicyName: {raw: o.Policy.Raw}}
	pieces[CandidateDir+"/"+candidate.ManifestName] = fileSource{from: filepath.Join(o.Candidate.Dir, candidate.ManifestName)}
	for f := range o.Candidate.Manifest.Files {
		pieces[CandidateDir+"/"+f] = fileSource{from: filepath.Join(o.Candidate.Dir, filepath.FromSlash(f))}
	}
	if err := o.addGolden(pieces); err != nil {
		return m, nil, err
	}
	for _, p := range slices.Sorted(maps.Keys(o.Libraries)) {
		if m.Libraries[p], err = addLibrary(pieces, p, m.Platform, o.Libraries[p]); err != nil {
			return m, nil, err
		}
	}
	name, text := m.script()
	pieces[name] = fileSource{raw: text}
	for name, p := range pieces {
		if err := checkPath(name); err != nil {
			return bad(name, err)
		}
		if m.Files[name], err = p.identity(); err != nil {
			return bad(name, err)
		}
	}
	// The candidate must not have changed since it was read.
	for f, want := range o.Candidate.Manifest.Files {
		if m.Files[CandidateDir+"/"+f] != want {
			return bad(f, fmt.Errorf("got other bytes than %s names", candidate.ManifestName))
		}
	}
	return m, pieces, nil
}

// addGolden adds the golden that the policy names. The built-in one is in the
// program.
func (o Options) addGolden(pieces map[string]fileSource) error {
	dir := o.Policy.Model.Golden
	if dir == "" {
		return nil
	}
	rel := filepath.ToSlash(filepath.Clean(dir))
	if !filepath.IsLocal(dir) || checkPath(rel) != nil {
		return usage("model.golden", dir, "a folder below the policy's, so that the same policy finds it in a bundle", "move the golden beside the policy")
	}
	from := filepath.Join(o.PolicyDir, dir)
	entries, err := os.ReadDir(from)
	if err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: "model.golden", Wanted: "a directory of golden vectors", Err: err}
	}
	for _, e := range entries {
		pieces[PolicyDir+"/"+rel+"/"+e.Name()] = fileSource{from: filepath.Join(from, e.Name())}
	}
	return nil
}

// addLibrary adds a provider's libraries, all in one folder, and returns the
// runtime's own in the bundle.
func addLibrary(pieces map[string]fileSource, provider, platform string, l providers.Library) (string, error) {
	paths, err := libraryFiles(l)
	if err != nil {
		return "", err
	}
	for _, f := range paths {
		on, err := platformOf(f)
		if err != nil || !runsOn(on, platform) {
			return "", &fault.Error{
				Kind: fault.Usage, Thing: "library " + filepath.Base(f), Got: "one for " + on, Wanted: "one for " + platform + ", where the program runs", Err: err,
				Next: "name that platform's with --ort-lib FILE",
			}
		}
		at := libraryPath(provider, filepath.Base(f))
		if old, ok := pieces[at]; ok && old.from != f {
			return "", usage("library "+at, "two files of that name", "one", "")
		}
		pieces[at] = fileSource{from: f}
	}
	return libraryPath(provider, filepath.Base(l.Path)), nil
}

func (p fileSource) identity() (candidate.File, error) {
	if p.from == "" {
		return files.IdentityOf(p.raw), nil
	}
	// Libraries are often links to a file with the version in its name.
	real, err := filepath.EvalSymlinks(p.from)
	if err != nil {
		return candidate.File{}, err
	}
	return files.HashFile(real)
}

// write copies the file to dir/name and refuses other bytes than were hashed.
func (p fileSource) write(ctx context.Context, dir, name string, want candidate.File) error {
	src := io.Reader(bytes.NewReader(p.raw))
	if p.from != "" {
		f, err := os.Open(p.from)
		if err != nil {
			return &fault.Error{Kind: fault.Usage, Thing: p.from, Err: err}
		}
		defer func() { _ = f.Close() }() // read only
		src = f
	}
	return copyTo(ctx, src, filepath.Join(dir, filepath.FromSlash(name)), mode(name), want)
}

// copyTo writes exactly the file that is wanted, or fails.
func copyTo(ctx context.Context, src io.Reader, to string, perm fs.FileMode, want candidate.File) error {
	err := files.CopyVerified(ctx, src, to, want, perm)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*files.ReadError](err); ok {
		return &fault.Error{Kind: fault.Usage, Thing: filepath.Base(to), Wanted: fmt.Sprintf("%d bytes", want.Bytes), Err: e.Err, Next: "copy the files again"}
	}
	if e, ok := errors.AsType[*files.DigestError](err); ok {
		return usage(filepath.Base(to), "sha256 "+e.Got.String(), e.Wanted.String(), "copy the files again")
	}
	return cannotWrite(to, err)
}

// prepareOut returns the absolute path of a folder to make, which must be absent
// or empty, and makes its parent.
func prepareOut(dir string) (string, error) {
	if strings.TrimSpace(dir) == "" {
		return "", usage("--out", "none", "a folder to make", "")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	switch entries, err := os.ReadDir(abs); {
	case err == nil && len(entries) > 0:
		return "", usage(dir, "a folder that holds something", "one that is empty or absent", "name another --out")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", usage(dir, err.Error(), "a folder to make", "name another --out")
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return "", cannotWrite(dir, err)
	}
	return abs, nil
}

// renameInto gives a finished folder its name. It removes an empty folder of
// that name first: not every system can rename over it.
func renameInto(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannotWrite(to, err)
	}
	if err := files.RenameNew(from, to); err != nil {
		return cannotWrite(to, err)
	}
	return nil
}
