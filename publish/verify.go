package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish/store"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Item is one thing that was checked.
type Item struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Report is what Verify found. Items end with the first check that failed: the
// later ones rely on it.
type Report struct {
	Dir       string              `json:"dir"`
	Items     []Item              `json:"items"`
	Manifest  Manifest            `json:"-"`
	Policy    policy.Policy       `json:"-"`
	Golden    golden.Set          `json:"-"`
	Candidate candidate.Candidate `json:"-"` // the published part of the one that was judged

	expect  Expect
	judged  candidate.Candidate // its manifest; the files are in Candidate.Dir
	verdict verdict.Verdict
	folder  store.Folder
}

// Close ends the use of the files in Dir. A release that was fetched from
// another machine is removed.
func (r Report) Close() error { return r.folder.Close() }

// Expect is what the caller knows of a release. It does not come from the
// release: whoever forges a release can forge that too.
type Expect struct {
	Channel string      // that it must be published for; empty: any
	Golden  *golden.Set // that its policy means; nil: the one built in for the model's name
}

// errNoGolden is wrapped by the fault of a release whose golden the caller must
// name.
var errNoGolden = errors.New("whether the release's own golden is right cannot be told")

// errNotWhole is wrapped by the fault of a release that fails a check.
var errNotWhole = errors.New("this release is not whole and proven: do not ship it")

// Verify checks the release that target names: that it holds exactly the files
// of its manifest with their digests, that they belong together, that the gate
// gives its verdict again, that it is published for the channel and was compared
// with the golden that e names. A release that fails is a fault of kind Refused.
// A target that holds no release is one of kind Usage. The release's directory
// may have any name. The caller closes the report after use.
func Verify(ctx context.Context, target string, e Expect) (Report, error) {
	r, err := openTarget(ctx, target)
	if err != nil {
		return r, err
	}
	return verifyFolder(ctx, r.folder, target, e)
}

// verifyFolder is Verify of an open folder. Errors name it by name.
func verifyFolder(ctx context.Context, folder store.Folder, name string, e Expect) (Report, error) {
	r := Report{Dir: folder.Dir, expect: e, folder: folder}
	return r, r.run(ctx, name, r.checks())
}

// run runs checks in order and ends with the first that fails. Errors name the
// release by name.
func (r *Report) run(ctx context.Context, name string, checks []reportCheck) error {
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return err
		}
		detail, err := c.check(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errNoGolden) {
			return err
		}
		if err != nil {
			r.Items = append(r.Items, Item{c.name, false, err.Error()})
			return &fault.Error{
				Kind: fault.Refused, Thing: name, Got: c.name + ": " + err.Error(), Err: errNotWhole,
				Next: "get the release again from where it was published",
			}
		}
		r.Items = append(r.Items, Item{c.name, true, detail})
	}
	return nil
}

// checkWritten verifies the release in dir, all but the gate, which judged these
// digests a moment ago.
func checkWritten(ctx context.Context, dir string, e Expect) error {
	r := Report{Dir: dir, expect: e}
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

// A reportCheck checks one thing and returns what it found.
type reportCheck struct {
	name  string
	check func(context.Context) (string, error)
}

const gateAgain = "gate, asked again"

// checks returns the checks in order. Each may rely on those before it.
func (r *Report) checks() []reportCheck {
	return []reportCheck{
		{"manifest", r.readManifest},
		{"files", r.checkFiles},
		{"policy", r.readPolicy},
		{"golden", r.readGolden},
		{"model", r.readModel},
		{"verdict", r.readVerdict},
		{gateAgain, r.checkVerdict},
	}
}

func (r *Report) readManifest(context.Context) (string, error) {
	b, err := r.readFile(ManifestName, maxManifest)
	if err != nil {
		return "", err
	}
	if r.Manifest, err = parseManifest(b); err != nil {
		return "", fmt.Errorf("%s: %w", ManifestName, err)
	}
	if got := contentDigest(r.Manifest.Files); got != r.Manifest.Content {
		return "", fmt.Errorf("content: got %s, wanted %s", r.Manifest.Content, got)
	}
	if want := r.expect.Channel; want != "" && r.Manifest.Channel != want {
		return "", fmt.Errorf("got a release for channel %q, wanted %q", r.Manifest.Channel, want)
	}
	return fmt.Sprintf("%s %s for channel %s", r.Manifest.Model, r.Manifest.Version, r.Manifest.Channel), nil
}

func (r *Report) readPolicy(context.Context) (string, error) {
	b, err := r.readFile(PolicyName, maxPolicy)
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

func (r *Report) readGolden(ctx context.Context) (_ string, err error) {
	if _, err := r.readOwnGolden(ctx); err != nil {
		return "", err
	}
	want, whose, err := r.expectedGolden()
	if err != nil {
		return "", err
	}
	if r.Golden.Digest != want {
		return "", fmt.Errorf("got digest %s, wanted %s, %s", r.Golden.Digest, want, whose)
	}
	return fmt.Sprintf("%d texts, %s", len(r.Golden.Texts), whose), nil
}

// expectedGolden returns the digest of the golden that the policy means, and
// who named it. The golden in the release is compared with it: a wrong model
// agrees with a golden that was made from it.
func (r *Report) expectedGolden() (digest, whose string, err error) {
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
	if err := checkCandidate(r.judged.Manifest, r.Policy); err != nil {
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
	if err := r.checkModelFiles(v); err != nil {
		return "", err
	}
	if !reflect.DeepEqual(r.Manifest.Selection, selection(v)) {
		return "", fmt.Errorf("got a table of variants in %s that does not follow from it", ManifestName)
	}
	r.verdict = v
	return "PASS for channel " + v.Channel, nil
}

// checkModelFiles compares the model files with the verdict: each passed
// somewhere, all that passed are there, and release.json says where.
func (r *Report) checkModelFiles(v verdict.Verdict) error {
	passed := passedRuns(v, r.Policy)
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
	want, err := byModelFile(r.Candidate.Manifest, passed)
	if err == nil && !reflect.DeepEqual(r.Manifest.Proven, want) {
		err = fmt.Errorf("got other places in %s where model files passed, wanted those of the verdict", ManifestName)
	}
	return err
}

func (r *Report) checkVerdict(ctx context.Context) (string, error) {
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
		if want := evidencePath(e); dir != want {
			return "", fmt.Errorf("got the evidence of %s × %s in %s, wanted it in %s", e.Provider, e.Variant, dir, want)
		}
		in.Evidence = append(in.Evidence, e)
	}
	if err := recheck(ctx, in, v, func(variant string) bool { return r.has(r.Policy.FileOf(variant)) }); err != nil {
		return "", err
	}
	return fmt.Sprintf("the same verdict from %d pieces of evidence", len(in.Evidence)), nil
}
