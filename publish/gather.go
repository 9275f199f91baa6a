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
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/verdict"
)

// shipment is a release that may be written: every file with the digest that
// was judged, and its manifest.
type shipment struct {
	parts    map[string]part
	manifest Manifest
	expect   Expect // what verifying it is told
}

// gather reads everything again, has the gate judge it again, and lists the
// files with the digests that were judged. It writes nothing.
func (o Options) gather(ctx context.Context) (s shipment, err error) {
	v, verdict, err := readVerdict(o.VerdictFile)
	if err != nil {
		return s, err
	}
	if err := o.asked(v); err != nil {
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
	// What is published is the bytes: they decide, not what somebody made of
	// them since.
	p, err := policy.Parse(PolicyName, o.Policy.Raw)
	if err != nil {
		return s, err
	}
	if err := belongs(c.Manifest, p); err != nil {
		return s, &fault.Error{
			Kind: fault.Usage, Thing: "candidate " + o.CandidateDir, Err: err,
			Next: "export the candidate again with this policy: embedgate export --out DIR",
		}
	}
	passed := proven(v, p)
	s.manifest = Manifest{
		Schema: Schema, Model: p.Model.Name, Version: p.Release.Version, Channel: v.Channel,
		Verdict: files.HashBytes(verdict), Selection: selection(v), Files: map[string]candidate.File{},
	}
	if name := s.manifest.name(); !filepath.IsLocal(name) || filepath.Base(name) != name {
		return s, &fault.Error{
			Kind: fault.Usage, Thing: "release", Got: name, Wanted: "a name for a directory",
			Next: "correct model.name or release.version in the policy",
		}
	}
	s.expect = Expect{Channel: o.Channel, Golden: &o.Golden}
	s.parts = map[string]part{
		PolicyName:  bytesPart(p.Raw),
		VerdictName: bytesPart(verdict),
	}
	if s.manifest.Proven, err = inRelease(c.Manifest, passed); err != nil {
		return s, &fault.Error{Kind: fault.Usage, Thing: o.VerdictFile, Err: err, Next: "judge this candidate: embedgate gate"}
	}
	if err := s.addCandidate(c, func(variant string) bool { return passed[variant] != nil }); err != nil {
		return s, err
	}
	for f, b := range o.Golden.Files {
		s.parts[GoldenDir+"/"+f] = bytesPart(b)
	}
	in := check.Input{Policy: p, Channel: v.Channel, Golden: o.Golden, Candidate: c, Nonce: v.Nonce}
	for _, dir := range o.EvidenceDirs {
		e, err := s.addEvidence(dir)
		if err != nil {
			return s, err
		}
		in.Evidence = append(in.Evidence, e)
	}
	for f := range s.parts {
		s.manifest.Files[f] = s.parts[f].want
	}
	if err := s.manifest.places(); err != nil {
		return s, &fault.Error{Kind: fault.Usage, Thing: "release", Err: err}
	}
	s.manifest.Content = content(s.manifest.Files)
	return s, judgedAgain(ctx, in, v, func(string) bool { return true })
}

// asked compares the verdict with what the caller asked to publish: an old
// round's verdict, or another channel's, says PASS as well.
func (o Options) asked(v verdict.Verdict) error {
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

// readVerdict reads a verdict that allows a release, and its bytes as they are
// published.
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

// addCandidate adds the candidate without the variants that are not kept, and
// the manifest of the whole, to which the evidence is bound.
func (s shipment) addCandidate(c candidate.Candidate, keep func(variant string) bool) error {
	path := filepath.Join(c.Dir, candidate.ManifestName)
	m, err := files.HashFile(path)
	if err != nil {
		return err
	}
	if m.SHA256 != c.Digest {
		return notJudged(path, m.SHA256, c.Digest)
	}
	s.parts[JudgedName] = part{from: path, want: m}
	cut := c.Manifest.Cut(keep)
	b, err := cut.Encode()
	if err != nil {
		return err
	}
	s.parts[ModelDir+"/"+candidate.ManifestName] = bytesPart(b)
	for f, id := range cut.Files {
		s.parts[ModelDir+"/"+f] = part{from: filepath.Join(c.Dir, filepath.FromSlash(f)), want: id}
	}
	return nil
}

func (s shipment) addEvidence(dir string) (evidence.Evidence, error) {
	e, err := evidence.Read(dir)
	if err != nil {
		return e, err
	}
	at := evidenceAt(e)
	if _, ok := s.parts[at+"/"+evidence.FileName]; ok {
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
		s.parts[at+"/"+f] = part{from: path, want: id}
	}
	return e, nil
}

// evidenceAt is where a piece of evidence lies in a release.
func evidenceAt(e evidence.Evidence) string {
	at := EvidenceDir + "/" + e.Provider + "-" + e.Variant
	if e.CPU != "" {
		at += "@" + e.CPU // which no variant's name holds
	}
	return at
}

// judgedAgain has the gate, which is pure, judge the same input: a verdict that
// somebody wrote by hand does not survive it. It ends when ctx does.
func judgedAgain(ctx context.Context, in check.Input, v verdict.Verdict, has func(variant string) bool) error {
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

func notJudged(thing, got, want string) error {
	return &fault.Error{
		Kind: fault.Usage, Thing: thing, Got: "sha256 " + got, Wanted: "sha256 " + want + ", which was judged",
		Next: "measure and judge again, then publish",
	}
}
