package publish

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/waiting"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish/store"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/verdict"
)

// releaseFiles is a release that may be written: its manifest, and every other
// file with the digest that was judged.
type releaseFiles struct {
	files    map[string]store.File
	manifest Manifest
	expect   Expect // for verifying it
}

// gather reads everything again, has the gate judge it again, and lists the
// files with the digests that were judged. It writes nothing.
func (o Options) gather(ctx context.Context) (s releaseFiles, err error) {
	v, verdict, err := readVerdict(o.VerdictFile)
	if err != nil {
		return s, err
	}
	if err := o.checkVerdict(v); err != nil {
		return s, err
	}
	c, err := candidate.Read(o.CandidateDir)
	if err != nil {
		return s, err
	}
	for _, d := range []struct{ thing, got, want string }{
		{"candidate " + o.CandidateDir, c.Digest, v.Candidate},
		{"policy", files.HashBytes(o.Policy.Raw), v.Policy},
		{"golden", files.HashBytes(o.Golden.Files[golden.ManifestName]), v.Golden},
		{"golden", o.Golden.Digest, v.Golden},
	} {
		if d.got != d.want {
			return s, notJudged(d.thing, d.got, d.want)
		}
	}
	// The policy's bytes are published. The parsed policy may have been changed
	// in memory.
	p, err := policy.Parse(PolicyName, o.Policy.Raw)
	if err != nil {
		return s, err
	}
	if err := checkCandidate(c.Manifest, p); err != nil {
		return s, &fault.Error{
			Kind: fault.Usage, Thing: "candidate " + o.CandidateDir, Err: err,
			Next: "export the candidate again with this policy: embedgate export --out DIR",
		}
	}
	passed := passedRuns(v, p)
	s.manifest = Manifest{
		Schema: Schema, Model: p.Model.Name, Version: p.Release.Version, Channel: v.Channel,
		Verdict: files.HashBytes(verdict), Selection: selection(v), Files: map[string]candidate.File{},
	}
	if name := s.manifest.name(); store.CheckName(name) != nil {
		return s, &fault.Error{
			Kind: fault.Usage, Thing: "release", Got: name, Wanted: "a name for a directory",
			Next: "correct model.name or release.version in the policy",
		}
	}
	s.expect = Expect{Channel: o.Channel, Golden: &o.Golden}
	s.files = map[string]store.File{
		PolicyName:  store.FileOf(p.Raw),
		VerdictName: store.FileOf(verdict),
	}
	if s.manifest.Proven, err = byModelFile(c.Manifest, passed); err != nil {
		return s, &fault.Error{Kind: fault.Usage, Thing: o.VerdictFile, Err: err, Next: "judge this candidate: embedgate gate"}
	}
	if err := s.addCandidate(c, func(variant string) bool { return passed[variant] != nil }); err != nil {
		return s, err
	}
	for f, b := range o.Golden.Files {
		s.files[GoldenDir+"/"+f] = store.FileOf(b)
	}
	in := check.Input{Policy: p, Channel: v.Channel, Golden: o.Golden, Candidate: c, Nonce: v.Nonce}
	for _, dir := range o.EvidenceDirs {
		e, err := s.addEvidence(dir)
		if err != nil {
			return s, err
		}
		in.Evidence = append(in.Evidence, e)
	}
	for f := range s.files {
		s.manifest.Files[f] = s.files[f].Identity
	}
	if err := s.manifest.checkPaths(); err != nil {
		return s, &fault.Error{Kind: fault.Usage, Thing: "release", Err: err}
	}
	s.manifest.Content = contentDigest(s.manifest.Files)
	return s, recheck(ctx, in, v, func(string) bool { return true })
}

// checkVerdict compares the verdict with what the caller wants to publish: the
// verdict of an old round, or of another channel, can be PASS too.
func (o Options) checkVerdict(v verdict.Verdict) error {
	refuse := func(what, got, wanted, next string) error {
		return &fault.Error{Kind: fault.Usage, Thing: o.VerdictFile, Got: "a verdict " + what + " " + got, Wanted: wanted, Next: next}
	}
	switch {
	case o.Channel == "" || o.Nonce == "":
		return &fault.Error{
			Kind: fault.Usage, Thing: "publish", Got: fmt.Sprintf("channel %q and round %q", o.Channel, o.Nonce), Wanted: "both: a verdict is not asked what it is for",
			Next: "name them: --channel NAME --nonce @FILE",
		}
	case v.Channel != o.Channel:
		return refuse("for channel", v.Channel, "channel "+o.Channel, "judge the evidence for that channel: embedgate gate --channel "+o.Channel)
	case v.Nonce == "":
		return refuse("on any round", "(it names none)", "round "+o.Nonce, "judge the evidence of one round: embedgate gate --nonce @FILE")
	case v.Nonce != o.Nonce:
		return refuse("on round", fmt.Sprintf("%.100q", v.Nonce), fmt.Sprintf("round %q", o.Nonce), "judge this round's evidence: embedgate gate --nonce @FILE")
	}
	return nil
}

// readVerdict reads a verdict and refuses one that allows no release. It also
// returns the bytes that are published.
func readVerdict(path string) (v verdict.Verdict, raw []byte, err error) {
	if v, err = verdict.Read(path); err != nil {
		return v, nil, err
	}
	if raw, err = verdict.Encode(v); err != nil {
		return v, nil, err
	}
	refused := func(k fault.Kind, got, next string) error {
		return &fault.Error{Kind: k, Thing: path, Got: got, Wanted: string(verdict.Pass), Next: next}
	}
	switch {
	case v.Foreign:
		return v, nil, refused(fault.Refused, "a verdict on somebody else's export", "export the model with embedgate: the release would not know where its weights came from")
	case v.Result == verdict.Pass:
		return v, raw, nil
	case v.Result == verdict.Inconclusive:
		return v, nil, refused(fault.Unsure, string(v.Result), "measure again on a quiet machine")
	default:
		return v, nil, refused(fault.Refused, string(v.Result), "do what the verdict says of each check that failed")
	}
}

// addCandidate adds the candidate without the variants that are not kept. It
// also adds the manifest of the whole candidate: the evidence names its digest.
func (s releaseFiles) addCandidate(c candidate.Candidate, keep func(variant string) bool) error {
	path := filepath.Join(c.Dir, candidate.ManifestName)
	m, err := files.HashFile(path)
	if err != nil {
		return err
	}
	if m.SHA256 != c.Digest {
		return notJudged(path, m.SHA256, c.Digest)
	}
	s.files[JudgedName] = store.File{Path: path, Identity: m}
	cut := c.Manifest.Cut(keep)
	b, err := cut.Encode()
	if err != nil {
		return err
	}
	s.files[ModelDir+"/"+candidate.ManifestName] = store.FileOf(b)
	for f, id := range cut.Files {
		s.files[ModelDir+"/"+f] = store.File{Path: filepath.Join(c.Dir, filepath.FromSlash(f)), Identity: id}
	}
	return nil
}

func (s releaseFiles) addEvidence(dir string) (evidence.Evidence, error) {
	e, err := evidence.Read(dir)
	if err != nil {
		return e, err
	}
	at := evidencePath(e)
	if _, ok := s.files[at+"/"+evidence.FileName]; ok {
		return e, &fault.Error{
			Kind: fault.Usage, Thing: dir, Got: "a second piece of evidence of " + e.Provider + " × " + e.Variant, Wanted: "one",
			Next: "publish with the evidence that was judged; choosing among several is choosing the result",
		}
	}
	want := map[string]string{evidence.FileName: e.Digest}
	if e.VectorsSHA256 != "" {
		want[evidence.VectorsName] = e.VectorsSHA256
	}
	for f, sha := range want {
		path := filepath.Join(dir, f)
		id, err := files.HashFile(path)
		if err != nil {
			return e, err
		}
		if id.SHA256 != sha {
			return e, notJudged(path, id.SHA256, sha)
		}
		s.files[at+"/"+f] = store.File{Path: path, Identity: id}
	}
	return e, nil
}

// evidencePath is the folder of one evidence in a release.
func evidencePath(e evidence.Evidence) string {
	at := EvidenceDir + "/" + e.Provider + "-" + e.Variant
	if e.CPU != "" {
		at += "@" + e.CPU // no variant's name holds an @
	}
	return at
}

// recheck has the gate judge the same input again, and refuses a verdict that
// differs: somebody wrote it by hand. It ends when ctx does.
func recheck(ctx context.Context, in check.Input, v verdict.Verdict, has func(variant string) bool) error {
	again, err := waiting.Until(ctx, func() (verdict.Verdict, error) {
		in.Graphs = check.ReadGraphs(in.Candidate, in.Policy)
		return gate.Gate(in)
	})
	if err != nil {
		return err
	}
	same, err := sameVerdict(v, again, has)
	if err != nil {
		return err
	}
	if !same {
		return &fault.Error{
			Kind: fault.Usage, Thing: "verdict", Got: fmt.Sprintf("one that differs from judging the same evidence again (%s)", again.Result),
			Wanted: "the gate's own", Next: "run the gate again on this evidence: embedgate gate",
		}
	}
	return nil
}

// notJudged is the error of a file that is not the one that was judged.
func notJudged(thing, got, want string) error {
	return &fault.Error{
		Kind: fault.Usage, Thing: thing, Got: "sha256 " + got, Wanted: "sha256 " + want + ", which was judged",
		Next: "measure and judge again, then publish",
	}
}
