package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Check measures and judges a model file that another tool exported, against
// the golden of the policy's model. It publishes nothing.
func Check(ctx context.Context, o Options, file, precision, provider string) (v verdict.Verdict, err error) {
	class, show := candidate.Precision(precision), o.Show
	work, done, err := workDir("")
	if err != nil {
		return v, err
	}
	defer done()
	show.Stage("policy")
	p, err := policy.Load(o.PolicyFile)
	if err != nil {
		return v, err
	}
	if _, ok := p.Parity[class]; !ok {
		return v, &fault.Error{Kind: fault.Usage, Thing: "--class", Got: string(class), Wanted: "a precision class that the policy's parity defines", Next: "add parity." + string(class) + " to the policy, or name another class"}
	}
	if _, ok := p.Providers[provider]; !ok {
		return v, &fault.Error{Kind: fault.Usage, Thing: "--provider", Got: provider, Wanted: "one of the policy's providers"}
	}
	// A model file is one variant on one provider; the rest of the policy holds.
	variant := string(class)
	p.Variants = map[string]policy.Variant{variant: {Precision: class}}
	one := p.Providers[provider]
	one.Variants, one.EffectivePrecision = []string{variant}, nil
	all := map[string]policy.Provider{provider: one}
	if w := p.WorthIt; w != nil && w.Provider != provider {
		// The same file there is what it is compared with, and not judged.
		other := p.Providers[w.Provider]
		other.Variants = nil
		all[w.Provider] = other
		mine := *w
		mine.Variant = variant
		p.WorthIt = &mine
	}
	p.Providers = all
	p.Channels = map[string]policy.Channel{o.Channel: {Require: []string{provider}}}

	show.Stage("golden")
	g, err := readGoldenOf(p, o.PolicyFile)
	if err != nil {
		return v, err
	}
	show.Stage("model")
	c, err := foreign(ctx, o, p, file, variant, class, filepath.Join(work, "candidate"))
	if err != nil {
		return v, err
	}
	show.Stage("measure")
	out := filepath.Join(work, "evidence", provider+"-"+variant)
	in := inputs{Policy: p, Golden: g, Candidate: c}
	if _, err := o.measure(ctx, in, measurement{provider: provider, variant: variant, out: out}); err != nil {
		return v, err
	}
	show.Stage("gate")
	return judgeForeign(ctx, in, out, o.Channel)
}

// foreign makes a candidate directory around a model file: the policy's
// tokenizer and configuration, and that file's graph.
func foreign(ctx context.Context, o Options, p policy.Policy, file, variant string, class candidate.Precision, dir string) (c candidate.Candidate, err error) {
	m, err := onnxfile.Read(file)
	if err != nil {
		return c, err
	}
	src, err := export.Fetch(ctx, o.exportOptions(p))
	if err != nil {
		return c, err
	}
	defer src.Release()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return c, err
	}
	name := variant + ".onnx"
	for to, from := range map[string]string{name: file, "tokenizer.json": filepath.Join(src.Dir, "tokenizer.json")} {
		if _, err := files.CopyFile(ctx, from, filepath.Join(dir, to), files.NoLimit, 0o644); err != nil {
			if ctx.Err() != nil {
				return c, ctx.Err()
			}
			return c, fmt.Errorf("copy %s: %w", from, err)
		}
	}
	return candidate.Seal(dir, candidate.Manifest{
		Model: p.Model.Name, Source: candidate.Source{Spec: src.Spec, Files: p.Model.Files}, Embedding: src.Config.Embedding,
		Versions: map[string]string{}, Variants: map[string]candidate.Variant{variant: {
			File: name, Precision: class, Opset: int(m.Opsets[""]), Forward: candidate.ForwardForeign, Inputs: signature(m.Inputs), Outputs: signature(m.Outputs),
		}},
	})
}

func signature(vs []onnxfile.Value) (out []candidate.Tensor) {
	for _, v := range vs {
		out = append(out, candidate.Tensor{Name: v.Name, Type: v.Type, Shape: slices.Clone(v.Shape)})
	}
	return out
}

// Precisions are the precision classes that a file may claim.
func Precisions() (names []string) {
	for _, p := range candidate.Precisions() {
		names = append(names, string(p))
	}
	return names
}
