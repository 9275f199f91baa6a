package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/compute"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/pipeline/policy"
)

func newGolden(s *streams) *cobra.Command {
	var f common
	var out, texts string
	c := &cobra.Command{
		Use:   "golden --out DIR",
		Short: "Compute golden vectors in float64 from the policy's pinned weights",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "out"); err != nil {
				return err
			}
			ctx := c.Context()
			o, err := f.options()
			if err != nil {
				return err
			}
			s.show.Stage("golden")
			p, err := policy.Load(f.policy)
			if err != nil {
				return err
			}
			corpus, err := corpus(texts)
			if err != nil {
				return err
			}
			x := pipeline.ExportOptions(p, o, s.show.Sink())
			src, err := export.Fetch(ctx, x)
			if err != nil {
				return err
			}
			env, err := pyenv.Ensure(ctx, pyenv.Options{Kind: pyenv.Reference, CacheDir: x.CacheDir, Override: x.Python, Progress: x.Progress})
			if err != nil {
				return err
			}
			if err := compute.Run(ctx, compute.Options{Python: env.Python, ModelDir: src.Dir, Model: p.Model.Name, Texts: corpus, Out: out, Progress: x.Progress}); err != nil {
				return err
			}
			g, err := golden.Read(out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "%s: %d texts, digest %s\n", out, len(g.Texts), g.Digest)
			return err
		},
	}
	f.policyFlag(c)
	f.pythonFlag(c)
	c.Flags().StringVar(&out, "out", "", "golden directory to write")
	c.Flags().StringVar(&texts, "texts", "", "texts.jsonl (default: embedgate's own corpus)")
	return c
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

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// hereError turns what was found on this machine into an error.
func hereError(provider string, told, bad int) error {
	switch {
	case told == 0:
		return &fault.Error{Kind: fault.Missing, Thing: "--measure " + provider, Got: "nothing measured", Wanted: "a provider of the release's policy that runs here", Next: "embedgate doctor"}
	case bad > 0:
		return &fault.Error{Kind: fault.Refused, Thing: "this machine's " + provider, Got: fmt.Sprintf("%d checks not passed", bad), Wanted: "all passed", Next: "see above"}
	}
	return nil
}
