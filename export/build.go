package export

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyenv/pyscript"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/strictjson"
)

// scriptManifest is the export script's manifest line.
type scriptManifest struct {
	Event    string                       `json:"event"`
	Variants map[string]candidate.Variant `json:"variants"`
	Versions map[string]string            `json:"versions"`
	Torch    string                       `json:"torch,omitempty"` // why nothing was made: torch must
}

// build fills out with the candidate's files. One call of the script makes all
// variants: they share the weights, and what they are compared with.
func build(ctx context.Context, o Options, src Source, out string) error {
	if len(o.Variants) == 0 {
		return &fault.Error{Kind: fault.Usage, Thing: "variants", Got: "none", Wanted: "at least one to export"}
	}
	why := o.needsTorch(src.Config)
	var s scriptManifest
	var err error
	if why == "" {
		if s, err = o.runScript(ctx, pyenv.Export, src, out); err != nil {
			return err
		}
		why = s.Torch
	}
	names := o.names()
	if why != "" {
		o.sayTorch(why)
		if s, err = o.runScript(ctx, pyenv.Reference, src, out); err != nil {
			return err
		}
	}
	for _, v := range names {
		m, err := onnxfile.Read(filepath.Join(out, s.Variants[v].File))
		if err == nil {
			err = agrees(m, s.Variants[v])
		}
		if err != nil {
			return err
		}
	}
	for f := range o.Files {
		if !candidate.Carried(f) {
			continue // the weights are in the variants
		}
		if err := copyPinned(ctx, src.Dir, out, f, o.Files[f]); err != nil {
			return err
		}
	}
	_, err = candidate.Seal(out, candidate.Manifest{
		Model: o.Model, Source: candidate.Source{Spec: src.Spec, Files: o.Files},
		Embedding: src.Config.Embedding, Versions: s.Versions, Variants: s.Variants,
	})
	return err
}

// runScript runs the export script in an environment. In Export's it makes
// nothing for a model that needs torch, and the manifest says why.
func (o Options) runScript(ctx context.Context, k pyenv.Kind, src Source, out string) (s scriptManifest, err error) {
	env, err := o.environment(ctx, k)
	if err != nil {
		return s, err
	}
	names := o.names()
	config, err := src.Config.Argument()
	if err != nil {
		return s, err
	}
	args := []string{"--model-dir", src.Dir, "--config", config}
	for _, v := range names {
		// A name with a "/" in it would be a path; the script refuses it first.
		args = append(args, "--variant", v, "--out", filepath.Join(out, filepath.Base(v)+".onnx"))
	}
	if o.Plain {
		args = append(args, "--plain")
	}
	if k == pyenv.Export {
		args = append(args, "--no-torch")
	}
	o.Progress.Say("exporting %s to ONNX", strings.Join(names, ", "))
	raw, err := pyscript.Run(ctx, pyscript.Options{
		Python: env.Python, Script: script, Args: args, Progress: o.Progress,
		Env: []string{"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "TOKENIZERS_PARALLELISM=false"},
	})
	if err != nil {
		return s, err
	}
	return parseManifest(raw, names)
}

// names are the variants to export, each once and sorted: the order in the
// policy must decide nothing.
func (o Options) names() []string {
	return slices.Compact(slices.Sorted(slices.Values(o.Variants)))
}

// parseManifest reads the manifest line. It must list exactly the variants that
// were asked for, each in the file that was named for it.
func parseManifest(raw json.RawMessage, names []string) (scriptManifest, error) {
	var s scriptManifest
	if err := strictjson.Decode(raw, &s); err != nil {
		return s, fmt.Errorf("%s: its manifest: %w", scriptName, err)
	}
	if s.Torch != "" {
		return s, nil
	}
	if got := slices.Sorted(maps.Keys(s.Variants)); !slices.Equal(got, names) {
		return s, fmt.Errorf("%s: its manifest: got variants %v, wanted %v", scriptName, got, names)
	}
	for n, v := range s.Variants {
		if v.File != n+".onnx" {
			return s, fmt.Errorf("%s: its manifest: got file %q for %s, wanted %s.onnx", scriptName, v.File, n, n)
		}
	}
	return s, nil
}

// agrees checks that the file is what the manifest says of it, and that the
// manifest says what the variant's name and class promise: float32 out, fixed shapes where the
// name has them.
func agrees(m onnxfile.Model, v candidate.Variant) error {
	inputs, outputs := tensors(m.Inputs), tensors(m.Outputs)
	same := func(a, b []candidate.Tensor) bool {
		return slices.EqualFunc(a, b, func(x, y candidate.Tensor) bool {
			return x.Name == y.Name && x.Type == y.Type && slices.Equal(x.Shape, y.Shape)
		})
	}
	if !same(inputs, v.Inputs) || !same(outputs, v.Outputs) || m.Opsets[""] != int64(v.Opset) {
		return fmt.Errorf("%s says inputs %v, outputs %v, opset %d; the file has %v, %v, %d", scriptName, v.Inputs, v.Outputs, v.Opset, inputs, outputs, m.Opsets[""])
	}
	rows, cols, fixed := v.Fixed()
	_, length, static := strings.Cut(strings.TrimSuffix(v.File, ".onnx"), "-static")
	if fixed != static || (static && (rows != 1 || fmt.Sprint(cols) != length)) {
		return fmt.Errorf("%s: got inputs %v in %s, wanted one row of the length in its name, or any shape where there is none", scriptName, inputs, v.File)
	}
	for _, out := range outputs {
		if out.Type != "float32" {
			return fmt.Errorf("%s: got output %v in %s, wanted float32", scriptName, out, v.File)
		}
	}
	return nil
}

func tensors(vs []onnxfile.Value) (out []candidate.Tensor) {
	for _, v := range vs {
		out = append(out, candidate.Tensor{Name: v.Name, Type: v.Type, Shape: v.Shape})
	}
	return out
}
