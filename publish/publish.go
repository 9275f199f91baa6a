package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/pipeline/progress"
	"github.com/embedgate/embedgate/validate"
)

// Options says what to publish, and where.
type Options struct {
	CandidateDir string
	Golden       golden.Set
	EvidenceDirs []string
	VerdictFile  string
	Policy       policy.Policy
	Target       string // a directory; the release is a folder in it
	Progress     progress.Sink

	step func(name string) // called before each step that writes; tests die there
}

// Result is a release that is there.
type Result struct {
	Dir     string
	Existed bool   // it was there already, with the same content
	Digest  string // of its content
}

// part is a file of the release: where it is read, and the digest that the
// verdict vouches for.
type part struct {
	from string // a path; empty: bytes
	raw  []byte
	want string // sha256
}

// tmpPrefix begins the names of unfinished releases in a target.
const tmpPrefix = ".tmp-release-"

// Publish writes the release, or finds that it is there. A verdict that is not
// PASS is a fault of kind Refused or Unsure; files that are not those that
// were judged, and a version that has other content, are faults of kind Usage.
// On every error the target is as it was.
func Publish(ctx context.Context, o Options) (r Result, err error) {
	if o.step == nil {
		o.step = func(string) {}
	}
	v, verdict, err := readVerdict(o.VerdictFile)
	if err != nil {
		return r, err
	}
	parts, err := o.gather(v)
	if err != nil {
		return r, err
	}
	parts[VerdictName] = part{raw: verdict, want: sum(verdict)}
	name := o.Policy.Model.Name + "-" + o.Policy.Release.Version
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return r, &fault.Error{Kind: fault.Usage, Thing: "release", Got: name, Wanted: "a name for a directory", Next: "correct model.name or release.version in the policy"}
	}
	if err := os.MkdirAll(o.Target, 0o777); err != nil {
		return r, cannotWrite(o.Target, err)
	}
	unlock, err := cache.Lock(ctx, filepath.Join(o.Target, ".embedgate"), func() { o.Progress.Say("waiting for another embedgate that is publishing to %s", o.Target) })
	if err != nil {
		return r, cannotWrite(o.Target, err)
	}
	defer unlock()
	clean(o.Target)
	r.Dir = filepath.Join(o.Target, name)
	o.step("locked")
	tmp, err := os.MkdirTemp(o.Target, tmpPrefix)
	if err != nil {
		return r, cannotWrite(o.Target, err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return r, err
	}
	m := Manifest{
		Schema: Schema, Model: o.Policy.Model.Name, Version: o.Policy.Release.Version, Channel: v.Channel,
		Verdict: parts[VerdictName].want, Files: map[string]candidate.File{},
	}
	for f, p := range parts {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		o.step("file")
		if m.Files[f], err = p.write(filepath.Join(tmp, filepath.FromSlash(f))); err != nil {
			if fault.KindOf(err) == fault.Usage {
				return r, err
			}
			return r, cannotWrite(r.Dir, err)
		}
	}
	m.Content = content(m.Files)
	r.Digest = m.Content
	if cache.Exists(r.Dir) {
		r.Existed = true
		return r, same(ctx, r.Dir, m)
	}
	b, err := m.encode()
	if err != nil {
		return r, err
	}
	o.step("manifest")
	if _, err := (part{raw: b, want: sum(b)}).write(filepath.Join(tmp, ManifestName)); err != nil {
		return r, cannotWrite(r.Dir, err)
	}
	if err := syncDirs(tmp); err != nil {
		return r, cannotWrite(r.Dir, err)
	}
	o.step("rename")
	if err := renameNew(tmp, r.Dir); err != nil {
		return r, cannotWrite(r.Dir, err)
	}
	o.step("renamed")
	o.Progress.Say("released %s", r.Dir)
	return r, syncDir(o.Target)
}

func cannotWrite(thing string, err error) error {
	return &fault.Error{Kind: fault.Missing, Thing: thing, Got: "a target that cannot be written", Wanted: "room for the release and leave to write it", Err: err, Next: "free some space or name another --to; nothing half written was left"}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func readVerdict(path string) (v validate.Verdict, raw []byte, err error) {
	if v, err = validate.ReadVerdict(path); err != nil {
		return v, nil, err
	}
	if raw, err = validate.EncodeVerdict(v); err != nil {
		return v, nil, err
	}
	switch v.Result {
	case validate.Pass:
		return v, raw, nil
	case validate.Inconclusive:
		return v, nil, &fault.Error{Kind: fault.Unsure, Thing: path, Got: string(v.Result), Wanted: string(validate.Pass), Next: "measure again on a quiet machine"}
	default:
		return v, nil, &fault.Error{Kind: fault.Refused, Thing: path, Got: string(v.Result), Wanted: string(validate.Pass), Next: "do what the verdict says of each check that failed"}
	}
}

// gather reads everything again, has the gate judge it again, and lists the
// files with the digests that were judged.
func (o Options) gather(v validate.Verdict) (map[string]part, error) {
	c, err := candidate.Read(o.CandidateDir)
	if err != nil {
		return nil, err
	}
	for _, d := range []struct{ thing, got, want string }{
		{"candidate " + o.CandidateDir, c.Digest, v.Candidate},
		{"policy", o.Policy.Digest, v.Policy},
		{"policy", sum(o.Policy.Raw), v.Policy},
		{"golden", o.Golden.Digest, v.Golden},
	} {
		if d.got != d.want {
			return nil, notJudged(d.thing, d.got, d.want)
		}
	}
	parts := map[string]part{PolicyName: {raw: o.Policy.Raw, want: v.Policy}}
	parts[ModelDir+"/"+candidate.ManifestName] = part{from: filepath.Join(c.Dir, candidate.ManifestName), want: c.Digest}
	for f, id := range c.Manifest.Files {
		parts[ModelDir+"/"+f] = part{from: filepath.Join(c.Dir, filepath.FromSlash(f)), want: id.SHA256}
	}
	for f, b := range o.Golden.Files {
		parts[GoldenDir+"/"+f] = part{raw: b, want: sum(b)}
	}
	if got := sum(o.Golden.Files[golden.ManifestName]); got != v.Golden {
		return nil, notJudged("golden", got, v.Golden)
	}
	in := validate.Input{Policy: o.Policy, Channel: v.Channel, Golden: o.Golden, Candidate: c, Nonce: v.Nonce}
	for _, dir := range o.EvidenceDirs {
		e, err := validate.ReadEvidence(dir)
		if err != nil {
			return nil, err
		}
		in.Evidence = append(in.Evidence, e)
		at := EvidenceDir + "/" + e.Provider + "-" + e.Variant + "/"
		parts[at+validate.EvidenceName] = part{from: filepath.Join(dir, validate.EvidenceName), want: e.Digest}
		if cache.Exists(filepath.Join(dir, validate.VectorsName)) {
			parts[at+validate.VectorsName] = part{from: filepath.Join(dir, validate.VectorsName), want: e.VectorsSHA256}
		}
	}
	return parts, judgedAgain(in, v)
}

// judgedAgain has the gate, which is pure, judge the same input: a verdict that
// somebody wrote by hand does not survive it.
func judgedAgain(in validate.Input, v validate.Verdict) error {
	again, err := validate.Gate(in)
	if err != nil {
		return err
	}
	a, err := validate.EncodeVerdict(again)
	if err != nil {
		return err
	}
	b, err := validate.EncodeVerdict(v)
	if err != nil {
		return err
	}
	if !slices.Equal(a, b) {
		return &fault.Error{
			Kind: fault.Usage, Thing: "verdict", Got: fmt.Sprintf("one that differs from judging the same evidence again (%s)", again.Result),
			Wanted: "the gate's own", Next: "run the gate again on this evidence: embedgate gate",
		}
	}
	return nil
}

func notJudged(thing, got, want string) error {
	return &fault.Error{Kind: fault.Usage, Thing: thing, Got: "sha256 " + got, Wanted: "sha256 " + want + ", which was judged", Next: "measure and judge again, then publish"}
}

// write copies the part, synced, and refuses other bytes than were judged.
func (p part) write(to string) (f candidate.File, err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return f, err
	}
	var in io.Reader = strings.NewReader(string(p.raw))
	if p.from != "" {
		src, err := os.Open(p.from)
		if err != nil {
			return f, err
		}
		defer func() { _ = src.Close() }() // read only
		in = src
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return f, err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	f = candidate.File{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}
	if err == nil && f.SHA256 != p.want {
		err = notJudged(p.from, f.SHA256, p.want)
	}
	return f, err
}

// same accepts an existing release only if it is whole and has this content.
func same(ctx context.Context, dir string, m Manifest) error {
	rep, err := Verify(ctx, dir)
	if err != nil && !errors.Is(err, errNotWhole) {
		return err
	}
	if err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: dir, Got: "a damaged release of this version", Wanted: "a whole one, or none", Err: err, Next: "see embedgate verify " + dir + "; move it away before publishing again"}
	}
	if rep.Manifest.Content != m.Content {
		return &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "other content under this version: " + rep.Manifest.Content, Wanted: m.Content,
			Next: "raise release.version in the policy: a version that is out is never changed",
		}
	}
	return nil
}

// clean removes what publishers that died left; the caller holds the target's
// lock, so no live one is at work.
func clean(target string) {
	entries, err := os.ReadDir(target)
	if err != nil {
		return // told by what comes next
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			_ = os.RemoveAll(filepath.Join(target, e.Name())) // the next one tries again
		}
	}
}
