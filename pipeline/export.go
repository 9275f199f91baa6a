package pipeline

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers/tokenize"
)

// Exported is what an export came to.
type Exported struct {
	Digest string // of the candidate
	Cached bool   // it was exported before
}

// Export turns the policy's model into a candidate directory. plain exports as
// any user of torch.onnx.export would, for comparison.
func Export(ctx context.Context, o Options, out string, plain bool) (Exported, error) {
	o.Show.Stage("export")
	p, err := policy.Load(o.PolicyFile)
	if err != nil {
		return Exported{}, err
	}
	x := o.exportOptions(p)
	x.Out, x.Plain = out, plain
	r, err := export.Run(ctx, x)
	return Exported{Digest: r.Candidate.Digest, Cached: r.Cached}, err
}

// exportOptions is the export that a policy asks for.
func (o Options) exportOptions(p policy.Policy) export.Options {
	return export.Options{
		Model: p.Model.Name, Spec: p.Model.Source, Files: p.Model.Files,
		BaseDir:  filepath.Dir(o.PolicyFile),
		Variants: variants(p),
		Python:   o.Python, DropSource: true, Progress: o.sink(),
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
