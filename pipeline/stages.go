package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/internal/waiting"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers/tokenize"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/verdict"
)

type readPolicy struct{}

func (readPolicy) String() string { return "policy" }

func (readPolicy) Run(_ context.Context, s *State) (err error) {
	s.Policy, err = policy.Load(s.Options.PolicyFile)
	if err != nil {
		return err
	}
	if _, ok := s.Policy.Channels[s.Options.Channel]; !ok {
		return &fault.Error{
			Kind: fault.Usage, Thing: "--channel", Got: s.Options.Channel,
			Wanted: fmt.Sprintf("one of %q", slices.Sorted(maps.Keys(s.Policy.Channels))),
		}
	}
	for _, p := range s.Options.Providers {
		if _, ok := s.Policy.Providers[p]; !ok {
			return &fault.Error{
				Kind: fault.Usage, Thing: "--providers", Got: p,
				Wanted: fmt.Sprintf("some of %q", slices.Sorted(maps.Keys(s.Policy.Providers))),
			}
		}
	}
	s.Sink.Say("%s: model %s, release %s, channel %s requires %v", s.Options.PolicyFile,
		s.Policy.Model.Name, s.Policy.Release.Version, s.Options.Channel, s.Policy.Channels[s.Options.Channel].Require)
	return nil
}

type exportCandidate struct{}

func (exportCandidate) String() string { return "export" }

func (exportCandidate) Run(ctx context.Context, s *State) error {
	if dir := s.Options.Candidate; dir != "" {
		c, err := candidate.Read(dir)
		s.Candidate = c
		return err
	}
	r, err := export.Run(ctx, ExportOptions(s.Policy, s.Options, s.Sink))
	if err != nil {
		return err
	}
	s.Candidate = r.Candidate
	if r.Cached {
		s.Sink.Say("taken from the cache: source, script and requirements have not changed")
	}
	s.Sink.Say("candidate %.12s with %v", r.Candidate.Digest, slices.Sorted(maps.Keys(r.Candidate.Manifest.Variants)))
	return nil
}

// ExportOptions is the export that a policy asks for.
func ExportOptions(p policy.Policy, o Options, sink progress.Sink) export.Options {
	return export.Options{
		Model: p.Model.Name, Spec: p.Model.Source, Files: p.Model.Files,
		BaseDir:  filepath.Dir(o.PolicyFile),
		Variants: variants(p),
		CacheDir: o.CacheDir, Python: o.Python, DropSource: true, Progress: sink,
		Accept: acceptTokenizer,
	}
}

// acceptTokenizer refuses a model whose texts no provider here could turn into
// the right ids.
func acceptTokenizer(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return &fault.Error{
			Kind: fault.Usage, Thing: "tokenizer.json", Got: "no readable file among model.files", Wanted: "the tokenizer, as HF's tokenizers save it", Err: err,
			Next: "pin tokenizer.json in model.files; where the release has none, load and save the tokenizer once with transformers",
		}
	}
	_, err = tokenize.Load(b)
	return err
}

// variants are the variants that are files of their own.
func variants(p policy.Policy) (names []string) {
	for _, v := range slices.Sorted(maps.Keys(p.Variants)) {
		if p.FileOf(v) == v {
			names = append(names, v)
		}
	}
	return names
}

type readGolden struct{}

func (readGolden) String() string { return "golden" }

func (readGolden) Run(_ context.Context, s *State) (err error) {
	s.Golden, err = Golden(s.Policy, s.Options.PolicyFile)
	if err != nil {
		return err
	}
	s.Sink.Say("%d texts with float64 vectors, digest %.12s", len(s.Golden.Texts), s.Golden.Digest)
	return nil
}

// GoldenDir is the directory of the golden that a policy names.
func GoldenDir(p policy.Policy, policyFile string) string {
	if dir := p.Model.Golden; filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(policyFile), p.Model.Golden)
}

// Golden reads the golden that a policy names, or the one built in for its
// model.
func Golden(p policy.Policy, policyFile string) (golden.Set, error) {
	if p.Model.Golden != "" {
		dir := GoldenDir(p, policyFile)
		if _, err := os.Stat(filepath.Join(dir, golden.ManifestName)); errors.Is(err, os.ErrNotExist) {
			return golden.Set{}, &fault.Error{
				Kind: fault.Usage, Thing: "model.golden", Got: fmt.Sprintf("%s, where no %s is", p.Model.Golden, golden.ManifestName),
				Wanted: "a directory of golden vectors", Next: fmt.Sprintf("embedgate golden --policy %s --out %s", policyFile, dir),
			}
		}
		return golden.Read(dir)
	}
	g, ok, err := golden.Builtin(p.Model.Name)
	if err == nil && !ok {
		err = &fault.Error{
			Kind: fault.Usage, Thing: "model.golden", Got: fmt.Sprintf("none, and none is built in for %q", p.Model.Name),
			Wanted: "a directory of golden vectors", Next: "embedgate golden --out golden/" + p.Model.Name + ", then name it in the policy",
		}
	}
	return g, err
}

type measureAll struct{}

func (measureAll) String() string { return "measure" }

func (measureAll) Run(ctx context.Context, s *State) error {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	s.Nonce = hex.EncodeToString(nonce)
	// As plan writes it, so that the stages can be repeated one by one.
	if err := files.WriteAtomic(filepath.Join(s.Options.WorkDir, "plan"), []byte(s.Nonce+"\n")); err != nil {
		return err
	}
	names := s.Options.Providers
	if names == nil {
		names = slices.Sorted(maps.Keys(s.Policy.Providers))
	}
	for _, p := range names {
		for _, cpu := range s.cpus(p) {
			for _, v := range s.Policy.Providers[p].Variants {
				if err := s.measure(ctx, p, v, cpu); err != nil {
					return err
				}
				s.Evidence = append(s.Evidence, s.evidenceDir(p, v, cpu))
			}
		}
	}
	return nil
}

// cpus are the processors on which a provider is measured: this machine's own,
// "", and others where they were asked for.
func (s *State) cpus(provider string) []string {
	if s.Options.Portability || s.Policy.Channels[s.Options.Channel].Portability {
		return append([]string{""}, s.Policy.Providers[provider].Portability...)
	}
	return []string{""}
}

func (s *State) evidenceDir(provider, variant, cpu string) string {
	return filepath.Join(s.Options.WorkDir, "evidence", EvidenceName(provider, variant, cpu))
}

// EvidenceName is the folder of a piece of evidence: PROVIDER-VARIANT, with
// @CPU behind it for another processor than the machine's own.
func EvidenceName(provider, variant, cpu string) string {
	name := provider + "-" + variant
	if cpu != "" {
		name += "@" + cpu
	}
	return name
}

// measure leaves the evidence of one variant on one provider in its directory,
// in the place of what is there.
func (s *State) measure(ctx context.Context, provider, variant, cpu string) error {
	_, err := measure.Run(ctx, measure.Options{
		Candidate: s.Candidate, Policy: s.Policy, Golden: s.Golden, Provider: provider, Variant: variant,
		Nonce: s.Nonce, Channel: s.Options.Channel, Libraries: s.libraries(provider), Executable: s.Options.Executable,
		CPU: cpu, Target: Target(s.Options, s.Sink, provider),
		Out: s.evidenceDir(provider, variant, cpu), Progress: s.Sink,
	})
	return err
}

type judge struct{}

func (judge) String() string { return "gate" }

func (judge) Run(ctx context.Context, s *State) error {
	v, err := Judge(ctx, s.Policy, s.Golden, s.Candidate, s.Evidence, s.Options.Channel, s.Nonce)
	if err != nil {
		return err
	}
	s.Verdicts = filepath.Join(s.Options.WorkDir, "verdict.json")
	if err := verdict.Write(s.Verdicts, v); err != nil {
		return err
	}
	// Read again, so that a local run has the same path as ten machines.
	s.Verdict, err = verdict.Read(s.Verdicts)
	return err
}

// Judge reads evidence directories and has the gate judge them. When ctx ends it
// returns at once: judging writes nothing, and what it still computes is lost.
func Judge(ctx context.Context, p policy.Policy, g golden.Set, c candidate.Candidate, dirs []string, channel, nonce string) (verdict.Verdict, error) {
	return judged(ctx, func() (check.Input, error) {
		in, err := Input(p, g, c, channel, dirs...)
		in.Nonce = nonce
		return in, err
	})
}

// judgeForeign is Judge for a model that somebody else exported.
func judgeForeign(ctx context.Context, p policy.Policy, g golden.Set, c candidate.Candidate, dir, channel string) (verdict.Verdict, error) {
	return judged(ctx, func() (check.Input, error) {
		in, err := Input(p, g, c, channel, dir)
		in.Foreign = true
		return in, err
	})
}

// judged asks the gate: a pure function without a context, so that whoever waits
// for it must be able to leave.
func judged(ctx context.Context, input func() (check.Input, error)) (verdict.Verdict, error) {
	return waiting.Until(ctx, func() (verdict.Verdict, error) {
		in, err := input()
		if err != nil {
			return verdict.Verdict{}, err
		}
		return gate.Gate(in)
	})
}

// Input puts together what the gate judges: the one place where that is done,
// whoever asks.
func Input(p policy.Policy, g golden.Set, c candidate.Candidate, channel string, dirs ...string) (check.Input, error) {
	in := check.Input{Policy: p, Golden: g, Candidate: c, Channel: channel, Graphs: check.ReadGraphs(c, p)}
	for _, d := range dirs {
		e, err := evidence.Read(d)
		if err != nil {
			return in, err
		}
		in.Evidence = append(in.Evidence, e)
	}
	return in, nil
}

type publishRelease struct{}

func (publishRelease) String() string { return "publish" }

func (publishRelease) Run(ctx context.Context, s *State) error {
	if s.Verdict.Result != verdict.Pass {
		s.Sink.Say("nothing is published: the verdict is %s", s.Verdict.Result)
		return nil
	}
	r, err := publish.Publish(ctx, publish.Options{
		CandidateDir: s.Candidate.Dir, Golden: s.Golden, EvidenceDirs: s.Evidence, VerdictFile: s.Verdicts,
		Policy: s.Policy, Channel: s.Options.Channel, Nonce: s.Nonce, Target: s.Options.Target, Progress: s.Sink,
	})
	if err != nil {
		return err
	}
	s.Release = &r
	return nil
}
