package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// mostFaults is how many damaged files are named one by one.
const mostFaults = 10

// Item is one thing that was checked.
type Item struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Report is what verifying found. Items end with the first check that failed:
// the later ones read what that one found wrong.
type Report struct {
	Dir       string              `json:"dir"`
	Items     []Item              `json:"items"`
	Manifest  Manifest            `json:"-"`
	Policy    policy.Policy       `json:"-"`
	Golden    golden.Set          `json:"-"`
	Candidate candidate.Candidate `json:"-"` // what is shipped of the one that was judged

	expect  Expect
	judged  candidate.Candidate // its manifest; the files lie in Candidate.Dir
	verdict verdict.Verdict
}

// Expect is what whoever verifies a release knows of it. A release cannot be
// asked: whoever forged it would have forged that as well.
type Expect struct {
	Channel string      // that it must be out for; empty: any
	Golden  *golden.Set // that its policy means; nil: the one built in for the model's name
}

// errNoGolden is wrapped by the fault of a release whose golden the caller must
// name.
var errNoGolden = errors.New("whether the release's own golden is right cannot be told")

// errNotWhole is wrapped by the fault of a release that is not whole and
// proven.
var errNotWhole = errors.New("this release is not whole and proven: do not ship it")

// Verify re-checks a release: that it holds exactly the files of its manifest
// with their digests, that all of them belong together, and that the gate,
// asked again, gives its verdict; that it is out for the channel and was compared
// with the golden that e names. What is wrong is a fault of kind Refused; a
// dir that is none is one of kind Usage. The directory's own name may be any.
func Verify(ctx context.Context, dir string, e Expect) (Report, error) {
	at, err := directory(dir)
	if err != nil {
		return Report{Dir: dir}, err
	}
	r := Report{Dir: at, expect: e}
	// The directory may be a link, such as "latest"; nothing in it may.
	if real, err := filepath.EvalSymlinks(at); err == nil {
		r.Dir = real
	}
	if i, err := os.Stat(r.Dir); err != nil || !i.IsDir() {
		return r, &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "no directory", Wanted: "a release directory, with its " + ManifestName, Err: err,
			Next: "name a directory that embedgate published",
		}
	}
	for _, c := range r.checks() {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		detail, err := c.check(ctx)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if errors.Is(err, errNoGolden) {
			return r, err
		}
		if err != nil {
			r.Items = append(r.Items, Item{c.name, false, err.Error()})
			return r, &fault.Error{
				Kind: fault.Refused, Thing: dir, Got: c.name + ": " + err.Error(), Err: errNotWhole,
				Next: "get the release again from where it was published",
			}
		}
		r.Items = append(r.Items, Item{c.name, true, detail})
	}
	return r, nil
}

// A reportCheck looks at one thing and returns what it found there.
type reportCheck struct {
	name  string
	check func(context.Context) (string, error)
}

const gateAgain = "gate, asked again"

// checks is what is verified, in order: each may rely on those before it.
func (r *Report) checks() []reportCheck {
	return []reportCheck{
		{"manifest", r.readManifest},
		{"files", r.files},
		{"policy", r.readPolicy},
		{"golden", r.readGolden},
		{"model", r.readModel},
		{"verdict", r.readVerdict},
		{gateAgain, r.gate},
	}
}

func (r *Report) path(name string) string {
	return filepath.Join(r.Dir, filepath.FromSlash(name))
}

func (r *Report) readManifest(context.Context) (string, error) {
	b, err := r.upTo(ManifestName, maxManifest)
	if err != nil {
		return "", err
	}
	if r.Manifest, err = parseManifest(b); err != nil {
		return "", fmt.Errorf("%s: %w", ManifestName, err)
	}
	if got := content(r.Manifest.Files); got != r.Manifest.Content {
		return "", fmt.Errorf("content: got %s, wanted %s", r.Manifest.Content, got)
	}
	if want := r.expect.Channel; want != "" && r.Manifest.Channel != want {
		return "", fmt.Errorf("got a release for channel %q, wanted %q", r.Manifest.Channel, want)
	}
	return fmt.Sprintf("%s %s for channel %s", r.Manifest.Model, r.Manifest.Version, r.Manifest.Channel), nil
}

// files proves that exactly the manifest's files are there. It names all that
// are wrong, not the first alone: who repairs wants to know the extent.
func (r *Report) files(ctx context.Context) (string, error) {
	found, err := r.walk()
	if err != nil {
		return "", err
	}
	for _, f := range slices.Sorted(maps.Keys(r.Manifest.Files)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		i, ok := found[f]
		delete(found, f)
		switch want := r.Manifest.Files[f]; {
		case !ok:
			err = errors.Join(err, fmt.Errorf("%s is missing", f))
		case !i.Type().IsRegular():
			err = errors.Join(err, fmt.Errorf("%s: got %s, wanted a regular file", f, files.KindOf(i.Type())))
		default:
			got, e := files.HashFile(r.path(f))
			if e == nil && got != want {
				e = fmt.Errorf("%s: %w", f, &files.DigestError{Got: got, Wanted: want})
			}
			err = errors.Join(err, e)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(found)) {
		err = errors.Join(err, fmt.Errorf("got %s (%s), which the manifest does not name", f, files.KindOf(found[f].Type())))
	}
	if err != nil {
		return "", shorten(err)
	}
	return fmt.Sprintf("%d files, each with its digest", len(r.Manifest.Files)+1), nil
}

// walk lists what lies in the release, without the manifest and the
// directories that its files need.
func (r *Report) walk() (map[string]fs.DirEntry, error) {
	needed := map[string]bool{".": true}
	for f := range r.Manifest.Files {
		for d := path.Dir(f); d != "."; d = path.Dir(d) {
			needed[d] = true
		}
	}
	found := map[string]fs.DirEntry{}
	err := filepath.WalkDir(r.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.Dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && needed[rel] || rel == ManifestName {
			return nil
		}
		found[rel] = d
		return nil
	})
	return found, err
}

// shorten keeps a ruined release from filling the screen.
func shorten(err error) error {
	lines := strings.Split(err.Error(), "\n")
	if n := len(lines); n > mostFaults {
		lines = append(lines[:mostFaults], fmt.Sprintf("and %d more", n-mostFaults))
	}
	return errors.New(strings.Join(lines, "; "))
}

func (r *Report) readPolicy(context.Context) (string, error) {
	b, err := r.small(PolicyName)
	if err != nil {
		return "", err
	}
	if r.Policy, err = policy.Parse(PolicyName, b); err != nil {
		return "", err
	}
	if r.Policy.Model.Name != r.Manifest.Model || r.Policy.Release.Version != r.Manifest.Version {
		return "", fmt.Errorf("got %s %s, wanted the manifest's %s %s", r.Policy.Model.Name, r.Policy.Release.Version, r.Manifest.Model, r.Manifest.Version)
	}
	return "sha256 " + r.Policy.Digest, nil
}

func (r *Report) readGolden(context.Context) (_ string, err error) {
	if r.Golden, err = golden.Read(r.path(GoldenDir)); err != nil {
		return "", err
	}
	want, whose, err := r.meant()
	if err != nil {
		return "", err
	}
	if r.Golden.Digest != want {
		return "", fmt.Errorf("got digest %s, wanted %s, %s", r.Golden.Digest, want, whose)
	}
	return fmt.Sprintf("%d texts, %s", len(r.Golden.Texts), whose), nil
}

// meant is the digest of the golden that the policy means, and whose it is. The
// one in the release is compared with it: a wrong model with a wrong golden to
// match would pass.
func (r *Report) meant() (digest, whose string, err error) {
	if g := r.expect.Golden; g != nil {
		return g.Digest, "the golden that was given", nil
	}
	ask := func(got string) (string, string, error) {
		return "", "", &fault.Error{
			Kind: fault.Usage, Thing: "golden", Got: got, Wanted: "the golden that the model is to be compared with", Err: errNoGolden,
			Next: "name it: embedgate verify --golden DIR",
		}
	}
	if own := r.Policy.Model.Golden; own != "" {
		return ask(fmt.Sprintf("a policy that names one of its own (%.100q)", own))
	}
	g, ok, err := golden.Builtin(r.Policy.Model.Name)
	if err == nil && !ok {
		return ask(fmt.Sprintf("none built in for %q", r.Policy.Model.Name))
	}
	return g.Digest, "the golden built in for " + r.Policy.Model.Name, err
}

func (r *Report) readModel(context.Context) (_ string, err error) {
	if r.judged, err = candidate.ReadManifest(r.Dir); err != nil {
		return "", err
	}
	r.judged.Dir = r.path(ModelDir)
	if err := belongs(r.judged.Manifest, r.Policy); err != nil {
		return "", err
	}
	if r.Candidate, err = candidate.Read(r.path(ModelDir)); err != nil {
		return "", err
	}
	cut, err := r.judged.Manifest.Cut(r.has).Encode()
	if err != nil {
		return "", err
	}
	if got := files.HashBytes(cut); got != r.Candidate.Digest {
		return "", fmt.Errorf("%s/%s: got sha256 %s, wanted %s: what %s says of the files that are here", ModelDir, candidate.ManifestName, r.Candidate.Digest, got, JudgedName)
	}
	return fmt.Sprintf("%s of candidate sha256 %s", strings.Join(slices.Sorted(maps.Keys(r.Candidate.Manifest.Variants)), ", "), r.judged.Digest), nil
}

// has tells whether the release holds an exported variant's file.
func (r *Report) has(variant string) bool {
	_, ok := r.Candidate.Manifest.Variants[variant]
	return ok
}

func (r *Report) readVerdict(context.Context) (_ string, err error) {
	v, err := verdict.Read(r.path(VerdictName))
	if err != nil {
		return "", err
	}
	switch {
	case v.Result != verdict.Pass:
		return "", fmt.Errorf("got %s, wanted PASS", v.Result)
	case v.Foreign:
		return "", errors.New("got a verdict on somebody else's export, wanted one on embedgate's own")
	case v.Digest != r.Manifest.Verdict:
		return "", fmt.Errorf("got sha256 %s, wanted the manifest's %s", v.Digest, r.Manifest.Verdict)
	case v.Channel != r.Manifest.Channel:
		return "", fmt.Errorf("got channel %q, wanted the manifest's %q", v.Channel, r.Manifest.Channel)
	case v.Candidate != r.judged.Digest || v.Policy != r.Policy.Digest || v.Golden != r.Golden.Digest:
		return "", errors.New("it was given on another candidate, policy or golden")
	}
	if err := r.provenFiles(v); err != nil {
		return "", err
	}
	if !reflect.DeepEqual(r.Manifest.Selection, selection(v)) {
		return "", fmt.Errorf("got a table of variants in %s that does not follow from it", ManifestName)
	}
	r.verdict = v
	return "PASS for channel " + v.Channel, nil
}

// provenFiles holds the model files against the verdict: each passed somewhere,
// all that passed are there, and release.json says where.
func (r *Report) provenFiles(v verdict.Verdict) error {
	passed := proven(v, r.Policy)
	for _, variant := range slices.Sorted(maps.Keys(r.Candidate.Manifest.Variants)) {
		if passed[variant] == nil {
			return fmt.Errorf("got %s/%s, which passed on no provider, wanted files that are proven and no other", ModelDir, r.Candidate.Manifest.Variants[variant].File)
		}
	}
	for _, variant := range slices.Sorted(maps.Keys(passed)) {
		if !r.has(variant) {
			return fmt.Errorf("got no model file of %s, wanted all that passed", variant)
		}
	}
	want, err := inRelease(r.Candidate.Manifest, passed)
	if err == nil && !reflect.DeepEqual(r.Manifest.Proven, want) {
		err = fmt.Errorf("got other places in %s where model files passed, wanted those of the verdict", ManifestName)
	}
	return err
}

func (r *Report) gate(ctx context.Context) (string, error) {
	v := r.verdict
	in := check.Input{Policy: r.Policy, Channel: v.Channel, Golden: r.Golden, Candidate: r.judged, Nonce: v.Nonce}
	for _, f := range slices.Sorted(maps.Keys(r.Manifest.Files)) {
		if !strings.HasPrefix(f, EvidenceDir+"/") {
			continue
		}
		dir, name := path.Split(f)
		dir = path.Clean(dir)
		if _, ok := r.Manifest.Files[dir+"/"+evidence.FileName]; !ok {
			return "", fmt.Errorf("%s has no %s", dir, evidence.FileName)
		}
		if name != evidence.FileName {
			continue
		}
		e, err := evidence.Read(r.path(dir))
		if err != nil {
			return "", err
		}
		if want := evidenceAt(e); dir != want {
			return "", fmt.Errorf("got the evidence of %s × %s in %s, wanted it in %s", e.Provider, e.Variant, dir, want)
		}
		in.Evidence = append(in.Evidence, e)
	}
	if err := judgedAgain(ctx, in, v, func(variant string) bool { return r.has(r.Policy.FileOf(variant)) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("the same verdict from %d pieces of evidence", len(in.Evidence)), nil
}
