package pipeline

import (
	"context"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/waiting"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/verdict"
)

// GateOptions are the options of Gate.
type GateOptions struct {
	Candidate string // directory
	Evidence  EvidenceSource
	Nonce     string // of the plan that the evidence must answer, or @FILE
	Out       string // the verdict's file
}

// Gate judges evidence and writes the verdict.
func Gate(ctx context.Context, o Options, g GateOptions) (v verdict.Verdict, err error) {
	read := append([]string{g.Candidate, o.PolicyFile, g.Evidence.Jobs}, g.Evidence.Dirs...)
	if strings.HasPrefix(g.Nonce, "@") {
		read = append(read, g.Nonce)
	}
	if err := notAnInput("--out", g.Out, read...); err != nil {
		return v, err
	}
	nonce, err := readNonce(g.Nonce)
	if err != nil {
		return v, err
	}
	var in inputs
	if in.Policy, err = policy.Load(o.PolicyFile); err != nil {
		return v, err
	}
	if in.Policy.Model.Golden != "" {
		if err := notAnInput("--out", g.Out, goldenDir(in.Policy, o.PolicyFile)); err != nil {
			return v, err
		}
	}
	dirs, err := g.Evidence.list(in.Policy)
	if err != nil {
		return v, err
	}
	if in.Candidate, err = candidate.Read(g.Candidate); err != nil {
		return v, err
	}
	if in.Golden, err = readGoldenOf(in.Policy, o.PolicyFile); err != nil {
		return v, err
	}
	if v, err = judgeDirs(ctx, in, dirs, o.Channel, nonce); err != nil {
		return v, err
	}
	return v, verdict.Write(g.Out, v)
}

// judgeDirs reads evidence directories and has the gate judge them. When ctx ends it
// returns at once: judging writes nothing, and what it still computes is lost.
func judgeDirs(ctx context.Context, have inputs, dirs []string, channel, nonce string) (verdict.Verdict, error) {
	return judged(ctx, func() (check.Input, error) {
		in, err := input(have, channel, dirs...)
		in.Nonce = nonce
		return in, err
	})
}

// judgeForeign is judgeDirs for a model that another tool exported.
func judgeForeign(ctx context.Context, have inputs, dir, channel string) (verdict.Verdict, error) {
	return judged(ctx, func() (check.Input, error) {
		in, err := input(have, channel, dir)
		in.Foreign = true
		return in, err
	})
}

// judged asks the gate: a pure function without a context, so that whoever waits
// for it must be able to leave.
func judged(ctx context.Context, makeInput func() (check.Input, error)) (verdict.Verdict, error) {
	return waiting.Until(ctx, func() (verdict.Verdict, error) {
		in, err := makeInput()
		if err != nil {
			return verdict.Verdict{}, err
		}
		return gate.Gate(in)
	})
}

// input puts together what the gate judges: the one place where that is done,
// whoever asks.
func input(have inputs, channel string, dirs ...string) (check.Input, error) {
	in := check.Input{
		Policy: have.Policy, Golden: have.Golden, Candidate: have.Candidate, Channel: channel,
		Graphs: check.ReadGraphs(have.Candidate, have.Policy),
	}
	for _, d := range dirs {
		e, err := evidence.Read(d)
		if err != nil {
			return in, err
		}
		in.Evidence = append(in.Evidence, e)
	}
	return in, nil
}
