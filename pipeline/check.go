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
	"github.com/embedgate/embedgate/validate/measure"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Check measures and judges a model file that somebody else exported, against
// the golden of the policy's model. It publishes nothing.
func Check(ctx context.Context, file string, class candidate.Precision, provider string, o Options, show *Printer) (v verdict.Verdict, err error) {
	sink := show.Sink()
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
	g, err := Golden(p, o.PolicyFile)
	if err != nil {
		return v, err
	}
	show.Stage("model")
	c, err := foreign(ctx, p, file, variant, class, o, show)
	if err != nil {
		return v, err
	}
	show.Stage("measure")
	out := filepath.Join(o.WorkDir, "evidence", provider+"-"+variant)
	if _, err := measure.Run(ctx, measure.Options{
		Candidate: c, Policy: p, Golden: g, Provider: provider, Variant: variant,
		Libraries: Libraries(o, sink), Executable: o.Executable, Out: out, Progress: sink,
	}); err != nil {
		return v, err
	}
	show.Stage("gate")
	return judgeForeign(ctx, p, g, c, out, o.Channel)
}

// foreign makes a candidate directory around a model file: the policy's
// tokenizer and configuration, and that file's graph.
func foreign(ctx context.Context, p policy.Policy, file, variant string, class candidate.Precision, o Options, show *Printer) (c candidate.Candidate, err error) {
	m, err := onnxfile.Read(file)
	if err != nil {
		return c, err
	}
	src, err := export.Fetch(ctx, ExportOptions(p, o, show.Sink()))
	if err != nil {
		return c, err
	}
	dir := filepath.Join(o.WorkDir, "candidate")
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
		Model: p.Model.Name, Source: candidate.Source{Spec: src.Spec, Files: p.Model.Files}, Embedding: src.Embedding,
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
