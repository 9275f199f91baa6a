// Package compute computes golden vectors with the golden script. It must not
// know how they are used or how a model is exported.
package compute

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv/pyscript"
	"github.com/embedgate/embedgate/export/stmodel"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
)

// Options says what to compute.
type Options struct {
	Python   string         // the export environment's interpreter
	ModelDir string         // verified source files
	Config   stmodel.Config // their configuration
	Model    string         // its name
	Texts    []byte         // texts.jsonl
	Out      string         // golden directory; an older one is replaced when the new one is complete
	Only     []string       // ids of the only texts to compute; the result is then a sample, not a golden
	Progress progress.Sink
}

// Run computes the vectors. On an error Out stays as it was.
func Run(ctx context.Context, o Options) error {
	if _, err := golden.ParseTexts(o.Texts); err != nil {
		return &fault.Error{Kind: fault.Usage, Thing: golden.TextsName, Err: err, Next: "correct the texts"}
	}
	out, err := filepath.Abs(o.Out)
	if err != nil {
		return err
	}
	if err := files.RestoreDir(out); err != nil {
		return err
	}
	// Checked before the long work, and again before anything is replaced.
	if err := replaceable(out); err != nil {
		return err
	}
	tmp, err := makeTemp(out)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := compute(ctx, o, tmp); err != nil {
		return err
	}
	if len(o.Only) == 0 {
		if _, err := golden.Read(tmp); err != nil {
			return err
		}
	}
	if err := finishDir(tmp); err != nil {
		return err
	}
	if err := replaceable(out); err != nil {
		return err
	}
	return files.ReplaceDir(tmp, out)
}

// compute runs the script into dir.
func compute(ctx context.Context, o Options, dir string) error {
	config, err := o.Config.Argument()
	if err != nil {
		return err
	}
	texts := filepath.Join(dir, golden.TextsName)
	if err := os.WriteFile(texts, o.Texts, 0o644); err != nil {
		return err
	}
	args := []string{"--model-dir", o.ModelDir, "--config", config, "--model", o.Model, "--texts", texts, "--out", dir}
	if len(o.Only) > 0 {
		args = append(args, "--only", strings.Join(o.Only, ","))
	}
	_, err = pyscript.Run(ctx, pyscript.Options{Python: o.Python, Script: "golden/make_golden.py", Args: args, Progress: o.Progress})
	return err
}
