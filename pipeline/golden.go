package pipeline

import (
	"context"
	"os"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/compute"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// Golden computes golden vectors in float64 from the policy's pinned weights,
// writes them to out and reads them again. texts is a file of texts; "": the
// corpus that comes with embedgate.
func Golden(ctx context.Context, o Options, out, texts string) (golden.Set, error) {
	o.Show.Stage("golden")
	p, err := policy.Load(o.PolicyFile)
	if err != nil {
		return golden.Set{}, err
	}
	corpus, err := corpus(texts)
	if err != nil {
		return golden.Set{}, err
	}
	src, err := export.Fetch(ctx, o.exportOptions(p))
	if err != nil {
		return golden.Set{}, err
	}
	defer src.Release()
	env, err := pyenv.Ensure(ctx, pyenv.Options{Kind: pyenv.Reference, Override: o.Python, Progress: o.sink()})
	if err != nil {
		return golden.Set{}, err
	}
	if err := compute.Run(ctx, compute.Options{Python: env.Python, ModelDir: src.Dir, Config: src.Config, Model: p.Model.Name, Texts: corpus, Out: out, Progress: o.sink()}); err != nil {
		return golden.Set{}, err
	}
	return golden.Read(out)
}

// corpus reads a file of texts, or the one that comes with embedgate.
func corpus(file string) ([]byte, error) {
	if file == "" {
		g, _, err := golden.Builtin("all-MiniLM-L6-v2")
		return g.Files[golden.TextsName], err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Usage, Thing: "--texts", Wanted: "a readable texts.jsonl", Err: err}
	}
	return b, nil
}
