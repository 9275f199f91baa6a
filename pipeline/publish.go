package pipeline

import (
	"context"

	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish"
)

// PublishOptions are the options of Publish.
type PublishOptions struct {
	Candidate string // directory
	Evidence  EvidenceSource
	Verdict   string // file
	Nonce     string // of the plan that the verdict must be on, or @FILE
	Target    string
}

// Publish publishes what a PASS verdict covers, for the channel of the options.
func Publish(ctx context.Context, o Options, x PublishOptions) (r publish.Result, err error) {
	o.Show.Stage("publish")
	nonce, err := readNonce(x.Nonce)
	if err != nil {
		return r, err
	}
	p, err := policy.Load(o.PolicyFile)
	if err != nil {
		return r, err
	}
	dirs, err := x.Evidence.list(p)
	if err != nil {
		return r, err
	}
	g, err := readGoldenOf(p, o.PolicyFile)
	if err != nil {
		return r, err
	}
	return publish.Publish(ctx, publish.Options{
		CandidateDir: x.Candidate, Golden: g, EvidenceDirs: dirs, VerdictFile: x.Verdict,
		Policy: p, Channel: o.Channel, Nonce: nonce, Target: x.Target, Progress: o.sink(),
	})
}
