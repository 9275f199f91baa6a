package pipeline

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish"
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
	s.say("%s: model %s, release %s, channel %s requires %v", s.Options.PolicyFile,
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
	r, err := export.Run(ctx, s.Options.exportOptions(s.Policy))
	if err != nil {
		return err
	}
	s.Candidate = r.Candidate
	if r.Cached {
		s.say("taken from the cache: source, script and requirements have not changed")
	}
	s.say("candidate %.12s with %v", r.Candidate.Digest, slices.Sorted(maps.Keys(r.Candidate.Manifest.Variants)))
	return nil
}

type readGolden struct{}

func (readGolden) String() string { return "golden" }

func (readGolden) Run(_ context.Context, s *State) (err error) {
	s.Golden, err = readGoldenOf(s.Policy, s.Options.PolicyFile)
	if err != nil {
		return err
	}
	s.say("%d texts with float64 vectors, digest %.12s", len(s.Golden.Texts), s.Golden.Digest)
	return nil
}

type measureAll struct{}

func (measureAll) String() string { return "measure" }

func (measureAll) Run(ctx context.Context, s *State) error {
	// As plan writes it, so that the stages can be repeated one by one.
	nonce, err := Plan(filepath.Join(s.WorkDir, "plan"))
	if err != nil {
		return err
	}
	s.Nonce = nonce
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
	return filepath.Join(s.WorkDir, "evidence", evidenceName(provider, variant, cpu))
}

// measure writes the evidence of one variant on one provider into its
// directory, in the place of what is there. A software device counts only where
// it was asked for.
func (s *State) measure(ctx context.Context, provider, variant, cpu string) error {
	asked := slices.Contains(s.Options.Providers, provider) ||
		slices.Contains(s.Policy.Channels[s.Options.Channel].Require, provider)
	_, err := s.Options.measure(ctx, s.inputs, measurement{
		provider: provider, variant: variant, cpu: cpu, channel: s.Options.Channel, nonce: s.Nonce,
		out: s.evidenceDir(provider, variant, cpu), hardware: !asked,
	})
	return err
}

type judge struct{}

func (judge) String() string { return "gate" }

func (judge) Run(ctx context.Context, s *State) error {
	v, err := judgeDirs(ctx, s.inputs, s.Evidence, s.Options.Channel, s.Nonce)
	if err != nil {
		return err
	}
	s.VerdictFile = filepath.Join(s.WorkDir, "verdict.json")
	if err := verdict.Write(s.VerdictFile, v); err != nil {
		return err
	}
	// Read again, so that a local run has the same path as ten machines.
	s.Verdict, err = verdict.Read(s.VerdictFile)
	return err
}

type publishRelease struct{}

func (publishRelease) String() string { return "publish" }

func (publishRelease) Run(ctx context.Context, s *State) error {
	if s.Verdict.Result != verdict.Pass {
		s.say("nothing is published: the verdict is %s", s.Verdict.Result)
		return nil
	}
	r, err := publish.Publish(ctx, publish.Options{
		CandidateDir: s.Candidate.Dir, Golden: s.Golden, EvidenceDirs: s.Evidence, VerdictFile: s.VerdictFile,
		Policy: s.Policy, Channel: s.Options.Channel, Nonce: s.Nonce, Target: s.Options.Target, Progress: s.Options.sink(),
	})
	if err != nil {
		return err
	}
	s.Release = &r
	return nil
}
