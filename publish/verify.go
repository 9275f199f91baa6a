package publish

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

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate"
)

// maxSmall bounds the JSON and YAML files of a release.
const maxSmall = 64 << 20

// Item is one thing that was checked.
type Item struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Report is what verifying found.
type Report struct {
	Dir       string              `json:"dir"`
	Items     []Item              `json:"items"`
	Manifest  Manifest            `json:"-"`
	Policy    policy.Policy       `json:"-"`
	Golden    golden.Set          `json:"-"`
	Candidate candidate.Candidate `json:"-"`
}

// errNotWhole is wrapped by the fault of a release that is not whole and
// proven.
var errNotWhole = errors.New("this release is not whole and proven: do not ship it")

// Verify re-checks a release: that it holds exactly the files of its manifest
// with their digests, that all of them belong together, and that the gate,
// asked again, gives its verdict. What is wrong is a fault of kind Refused.
func Verify(ctx context.Context, dir string) (Report, error) {
	r := Report{Dir: dir}
	if _, err := os.Stat(filepath.Join(dir, ManifestName)); err != nil {
		return r, &fault.Error{Kind: fault.Usage, Thing: dir, Got: "no " + ManifestName, Wanted: "a release directory", Err: err, Next: "name a directory that embedgate published"}
	}
	var verdict validate.Verdict
	for _, s := range []struct {
		name  string
		check func() (string, error)
	}{
		{"manifest", r.manifest},
		{"files", func() (string, error) { return r.files(ctx) }},
		{"policy", r.policy},
		{"golden", r.golden},
		{"model", r.model},
		{"verdict", func() (s string, err error) { verdict, s, err = r.verdict(); return s, err }},
		{"gate, asked again", func() (string, error) { return r.again(verdict) }},
	} {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		detail, err := s.check()
		if err != nil {
			r.Items = append(r.Items, Item{s.name, false, err.Error()})
			return r, &fault.Error{Kind: fault.Refused, Thing: dir, Got: s.name + ": " + err.Error(), Err: errNotWhole, Next: "get the release again from where it was published"}
		}
		r.Items = append(r.Items, Item{s.name, true, detail})
	}
	return r, nil
}

func (r *Report) path(parts ...string) string {
	return filepath.Join(append([]string{r.Dir}, parts...)...)
}

func (r *Report) small(name string) ([]byte, error) {
	i, err := os.Lstat(r.path(name))
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > maxSmall {
		return nil, fmt.Errorf("%s: got %s of %d bytes, wanted a regular file", name, i.Mode().Type(), i.Size())
	}
	return os.ReadFile(r.path(name))
}

func (r *Report) manifest() (string, error) {
	b, err := r.small(ManifestName)
	if err != nil {
		return "", err
	}
	if r.Manifest, err = parseManifest(b); err != nil {
		return "", err
	}
	if got := content(r.Manifest.Files); got != r.Manifest.Content {
		return "", fmt.Errorf("content: got %s, wanted %s", r.Manifest.Content, got)
	}
	return fmt.Sprintf("%s %s for channel %s", r.Manifest.Model, r.Manifest.Version, r.Manifest.Channel), nil
}

func (r *Report) files(ctx context.Context) (string, error) {
	seen := map[string]bool{}
	err := filepath.WalkDir(r.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(r.Dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if _, ok := r.Manifest.Files[rel]; !ok && rel != ManifestName {
			return fmt.Errorf("got %s, which the manifest does not name", rel)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s: got %s, wanted a regular file", rel, d.Type())
		}
		seen[rel] = true
		return nil
	})
	if err != nil {
		return "", err
	}
	for _, f := range slices.Sorted(maps.Keys(r.Manifest.Files)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if !seen[f] {
			return "", fmt.Errorf("%s is missing", f)
		}
		got, err := candidate.HashFile(r.path(filepath.FromSlash(f)))
		if err != nil {
			return "", err
		}
		if want := r.Manifest.Files[f]; got != want {
			return "", fmt.Errorf("%s: got sha256 %s (%d bytes), wanted %s (%d bytes)", f, got.SHA256, got.Bytes, want.SHA256, want.Bytes)
		}
	}
	return fmt.Sprintf("%d files, each with its digest", len(seen)), nil
}

func (r *Report) policy() (_ string, err error) {
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
	return r.Policy.Digest, nil
}

func (r *Report) golden() (_ string, err error) {
	if r.Golden, err = golden.Read(r.path(GoldenDir)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d texts", len(r.Golden.Texts)), nil
}

func (r *Report) model() (_ string, err error) {
	if r.Candidate, err = candidate.Read(r.path(ModelDir)); err != nil {
		return "", err
	}
	return r.Candidate.Digest, nil
}

func (r *Report) verdict() (v validate.Verdict, _ string, err error) {
	if v, err = validate.ReadVerdict(r.path(VerdictName)); err != nil {
		return v, "", err
	}
	if v.Result != validate.Pass {
		return v, "", fmt.Errorf("got %s, wanted PASS", v.Result)
	}
	if v.Channel != r.Manifest.Channel || r.Manifest.Files[VerdictName].SHA256 != r.Manifest.Verdict {
		return v, "", errors.New("the manifest names another verdict")
	}
	if v.Candidate != r.Candidate.Digest || v.Policy != r.Policy.Digest || v.Golden != r.Golden.Digest {
		return v, "", errors.New("it was given for another candidate, policy or golden")
	}
	return v, "PASS for " + v.Channel, nil
}

func (r *Report) again(v validate.Verdict) (string, error) {
	in := validate.Input{Policy: r.Policy, Channel: v.Channel, Golden: r.Golden, Candidate: r.Candidate, Nonce: v.Nonce}
	for _, f := range slices.Sorted(maps.Keys(r.Manifest.Files)) {
		dir, ok := strings.CutSuffix(f, "/"+validate.EvidenceName)
		if !ok {
			continue
		}
		e, err := validate.ReadEvidence(r.path(filepath.FromSlash(dir)))
		if err != nil {
			return "", err
		}
		in.Evidence = append(in.Evidence, e)
	}
	if err := judgedAgain(in, v); err != nil {
		return "", err
	}
	return fmt.Sprintf("the same verdict from %d pieces of evidence", len(in.Evidence)), nil
}
