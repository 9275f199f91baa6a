// Package make computes golden vectors with the golden script. It must not
// know how they are used, nor how a model is exported.
package make

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/export/pyscript"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/progress"
)

// Options says what to compute.
type Options struct {
	Python   string   // the export environment's interpreter
	ModelDir string   // verified source files
	Model    string   // its name
	Texts    []byte   // texts.jsonl
	Out      string   // golden directory; one that is there is replaced when the new one is whole
	Only     []string // ids of the only texts to compute; the result is then a sample, not a golden
	Progress progress.Sink
}

// Run computes the vectors. Out is as it was, or whole.
func Run(ctx context.Context, o Options) error {
	if _, err := golden.ParseTexts(o.Texts); err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: golden.TextsName, Err: err, Next: "correct the texts"}
	}
	parent := filepath.Dir(filepath.Clean(o.Out))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".tmp-golden-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	texts := filepath.Join(tmp, golden.TextsName)
	if err := os.WriteFile(texts, o.Texts, 0o644); err != nil {
		return err
	}
	args := []string{"--model-dir", o.ModelDir, "--model", o.Model, "--texts", texts, "--out", tmp}
	if len(o.Only) > 0 {
		args = append(args, "--only", strings.Join(o.Only, ","))
	}
	if _, err := pyscript.Run(ctx, pyscript.Options{Python: o.Python, Script: "make_golden.py", Args: args, Progress: o.Progress}); err != nil {
		return err
	}
	if len(o.Only) == 0 {
		if _, err := golden.Read(tmp); err != nil {
			return err
		}
		if err := replaceable(o.Out); err != nil {
			return err
		}
	}
	for _, f := range []string{golden.VectorsName, golden.ManifestName} {
		if err := os.Chmod(filepath.Join(tmp, f), 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(o.Out); err != nil {
		return err
	}
	return os.Rename(tmp, o.Out)
}

// replaceable refuses to replace a directory that is no golden.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case golden.ManifestName, golden.TextsName, golden.VectorsName:
		default:
			return &fault.Error{Kind: fault.Usage, Thing: dir, Got: "a directory that holds " + e.Name(), Wanted: "an empty one, or a golden to replace", Next: "name another --out"}
		}
	}
	return nil
}
