package pipeline

import (
	"context"
	"path/filepath"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Verify reports whether a release is whole and proven. goldenDir holds the
// golden that the model is compared with; "": the one built in for its name.
// channel is the one that the release must be out for; "": any.
func Verify(ctx context.Context, dir, goldenDir, channel string) (publish.Report, error) {
	expect := publish.Expect{Channel: channel}
	if goldenDir != "" {
		g, err := golden.Read(goldenDir)
		if err != nil {
			return publish.Report{}, err
		}
		expect.Golden = &g
	}
	return publish.Verify(ctx, dir, expect)
}

// MeasureRelease runs a verified release's model on this machine's provider.
// absent are the variants whose file the release does not hold. Latency is this
// machine's business: the caller leaves it out of what it shows.
func MeasureRelease(ctx context.Context, o Options, r publish.Report, provider string) (v verdict.Verdict, absent []string, err error) {
	work, done, err := workDir("")
	if err != nil {
		return v, nil, err
	}
	defer done()
	p, err := policy.Parse("policy.yaml", r.Policy.Raw)
	if err != nil {
		return v, nil, err
	}
	o.Show.Stage("measure")
	in := inputs{Policy: p, Golden: r.Golden, Candidate: r.Candidate}
	var dirs []string
	for _, variant := range p.Providers[provider].Variants {
		if _, ok := r.Candidate.Manifest.Variants[p.FileOf(variant)]; !ok {
			absent = append(absent, variant)
			continue
		}
		dir := filepath.Join(work, variant)
		if _, err := o.measure(ctx, in, measurement{provider: provider, variant: variant, out: dir}); err != nil {
			return v, absent, err
		}
		dirs = append(dirs, dir)
	}
	v, err = judgeDirs(ctx, in, dirs, r.Manifest.Channel, "")
	return v, absent, err
}
