// Package export turns a model's source into a candidate: it fetches the
// pinned files, calls the export script for each variant and seals what came
// out. An export whose inputs have not changed is taken from the cache. It
// must not know how a candidate is measured or judged.
package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/onnxfile"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyscript"
	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/export/stmodel"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/progress"
	"github.com/embedgate/embedgate/scripts"
)

// script is the exporter's name in package scripts.
const script = "export_onnx_model.py"

// Options says what to export.
type Options struct {
	Model    string            // its name, for the manifest
	Spec     string            // source: see package source
	Files    map[string]string // slash path → sha256
	BaseDir  string            // what a dir: source is relative to
	Variants []string          // "fp32"
	Plain    bool              // export the model's own forward, for comparison
	Out      string            // candidate directory; "": only the cache's
	CacheDir string
	Python   string // override of the export environment's interpreter
	Progress progress.Sink
}

// Result is a candidate and where its parts are.
type Result struct {
	Candidate candidate.Candidate
	Cached    bool   // nothing was exported: inputs had not changed
	SourceDir string // the verified source files
}

// Run exports, or takes the export from the cache. When ctx ends, what is half
// made is removed.
func Run(ctx context.Context, o Options) (r Result, err error) {
	dir, spec, err := source.Fetch(ctx, source.Options{
		Spec: o.Spec, Files: o.Files, BaseDir: o.BaseDir, CacheDir: o.CacheDir, Python: o.Python, Progress: o.Progress,
	})
	if err != nil {
		return r, err
	}
	r.SourceDir = dir
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return r, err
	}
	root = filepath.Join(root, "exports")
	libraries, err := o.libraries(ctx)
	if err != nil {
		return r, err
	}
	k, err := key(o, spec, libraries)
	if err != nil {
		return r, err
	}
	home := filepath.Join(root, k)
	unlock, err := cache.Lock(ctx, home, func() { o.Progress.Say("waiting for another embedgate that is exporting the same model") })
	if err != nil {
		return r, err
	}
	defer unlock()
	if r.Candidate, err = candidate.Read(home); err == nil {
		r.Cached = true
		return r, o.deliver(&r)
	}
	if cache.Exists(home) {
		o.Progress.Say("the cached export is damaged: exporting again")
	}
	tmp, err := cache.Scratch(home)
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := build(ctx, o, dir, spec, tmp); err != nil {
		return r, err
	}
	if err := cache.Place(tmp, home); err != nil {
		return r, err
	}
	if r.Candidate, err = candidate.Read(home); err != nil {
		return r, err
	}
	return r, o.deliver(&r)
}

// libraries tells an interpreter that the user named by its libraries'
// versions. It is empty for the environment that embedgate makes: the
// requirements tell all of that, and a cached export needs no environment.
func (o Options) libraries(ctx context.Context) (string, error) {
	if o.Python == "" && os.Getenv(pyenv.PythonVar) == "" {
		return "", nil
	}
	e, err := pyenv.Ensure(ctx, pyenv.Options{Kind: pyenv.Export, CacheDir: o.CacheDir, Override: o.Python, Progress: o.Progress})
	return e.Hash, err
}

// key names an export by all that decides its bytes.
func key(o Options, spec, libraries string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %v %q %q\n", candidate.Schema, o.Model, spec, o.Plain, slices.Sorted(slices.Values(o.Variants)), libraries)
	for _, f := range slices.Sorted(maps.Keys(o.Files)) {
		fmt.Fprintf(h, "%s %s\n", o.Files[f], f)
	}
	err := fs.WalkDir(scripts.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !decides(p) {
			return err
		}
		b, err := fs.ReadFile(scripts.FS, p)
		fmt.Fprintf(h, "%s %d\n", p, len(b))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:32], err
}

// decides tells whether an embedded file decides an export's bytes. The others
// are the scripts that make goldens and fetch, whose results have digests of
// their own, and the run environment's requirements.
func decides(name string) bool {
	switch {
	case strings.Contains(name, "golden"), name == "hf_download.py", name == "requirements-run.txt", name == "requirements-bootstrap.txt":
		return false
	}
	return true
}

// said is the export script's manifest line.
type said struct {
	Variant   candidate.Variant   `json:"variant"`
	Embedding candidate.Embedding `json:"embedding"`
	Versions  map[string]string   `json:"versions"`
}

// build fills out with the candidate's files.
func build(ctx context.Context, o Options, src, spec, out string) error {
	if len(o.Variants) == 0 {
		return &fault.Error{Kind: fault.Usage, Thing: "variants", Got: "none", Wanted: "at least one to export"}
	}
	want, err := stmodel.Read(src)
	if err != nil {
		return err
	}
	env, err := pyenv.Ensure(ctx, pyenv.Options{Kind: pyenv.Export, CacheDir: o.CacheDir, Override: o.Python, Progress: o.Progress})
	if err != nil {
		return err
	}
	m := candidate.Manifest{
		Model: o.Model, Source: candidate.Source{Spec: spec, Files: o.Files},
		Embedding: want, Versions: map[string]string{}, Variants: map[string]candidate.Variant{},
	}
	for _, v := range o.Variants {
		file := v + ".onnx"
		o.Progress.Say("exporting %s to ONNX (loading PyTorch first)", v)
		args := []string{"--model-dir", src, "--out", filepath.Join(out, file), "--variant", v}
		if o.Plain {
			args = append(args, "--plain")
		}
		raw, err := pyscript.Run(ctx, pyscript.Options{
			Python: env.Python, Script: script, Args: args, Progress: o.Progress,
			Env: []string{"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "TOKENIZERS_PARALLELISM=false"},
		})
		if err != nil {
			return err
		}
		var s said
		if err := json.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("%s: its manifest: %w", script, err)
		}
		if s.Embedding != want {
			return fmt.Errorf("%s read %+v from the model's configuration, embedgate read %+v: one of them is wrong", script, s.Embedding, want)
		}
		s.Variant.File = file
		if err := agrees(filepath.Join(out, file), s.Variant); err != nil {
			return err
		}
		m.Variants[v] = s.Variant
		maps.Copy(m.Versions, s.Versions)
	}
	for f := range o.Files {
		if filepath.Ext(f) == ".safetensors" {
			continue // the weights are in the variants
		}
		if err := copyFile(filepath.Join(src, filepath.FromSlash(f)), filepath.Join(out, filepath.FromSlash(f))); err != nil {
			return err
		}
	}
	_, err = candidate.Seal(out, m)
	return err
}

// agrees checks that the file is what the script said of it.
func agrees(path string, v candidate.Variant) error {
	m, err := onnxfile.Read(path)
	if err != nil {
		return err
	}
	inputs, outputs := tensors(m.Inputs), tensors(m.Outputs)
	same := func(a, b []candidate.Tensor) bool {
		return slices.EqualFunc(a, b, func(x, y candidate.Tensor) bool {
			return x.Name == y.Name && x.Type == y.Type && slices.Equal(x.Shape, y.Shape)
		})
	}
	if !same(inputs, v.Inputs) || !same(outputs, v.Outputs) || m.Opsets[""] != int64(v.Opset) {
		return fmt.Errorf("%s says inputs %v, outputs %v, opset %d; the file has %v, %v, %d", script, v.Inputs, v.Outputs, v.Opset, inputs, outputs, m.Opsets[""])
	}
	return nil
}

func tensors(vs []onnxfile.Value) (out []candidate.Tensor) {
	for _, v := range vs {
		out = append(out, candidate.Tensor{Name: v.Name, Type: v.Type, Shape: v.Shape})
	}
	return out
}
