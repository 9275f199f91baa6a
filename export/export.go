// Package export turns a model's source into a candidate: it fetches the
// pinned files, calls the export script for the variants and seals the
// result. An export whose inputs have not changed is taken from the cache. It
// must not know how a candidate is measured or judged.
package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/scripts"
)

// script is the exporter, in package scripts.
const script = "export/" + scriptName

// scriptName names the exporter in errors.
const scriptName = "export_onnx_model.py"

// Options says what to export.
type Options struct {
	Model    string            // its name, for the manifest
	Spec     string            // source: see package source
	Files    map[string]string // slash path → sha256
	BaseDir  string            // what a dir: source is relative to
	Variants []string          // "fp32", "fp16", "int8", "fp32-static128": scripts/export/variants.py knows the names
	Plain    bool              // export the model's own forward, for comparison
	Out      string            // candidate directory; "": only the cache's
	CacheDir string
	Python   string // override of the environments' interpreter
	// Accept looks at the verified files before anything is made of them; nil:
	// whatever package stmodel takes. It is for what this package must not
	// know, such as which tokenizers a provider can run.
	Accept func(dir string) error
	// DropSource removes the fetched weights from the cache once they are in
	// the export, which is as large again.
	DropSource bool
	Progress   progress.Sink
}

// Result is a candidate and where its parts are.
type Result struct {
	Candidate candidate.Candidate
	Cached    bool // nothing was exported: inputs had not changed
}

// Run exports, or takes the export from the cache. When ctx ends, it removes
// what is unfinished.
func Run(ctx context.Context, o Options) (r Result, err error) {
	if o.Out != "" { // before minutes are spent
		if err := files.RestoreDir(o.Out); err != nil {
			return r, err
		}
		if _, err := o.replaceable(); err != nil {
			return r, err
		}
	}
	spec, err := source.Named(o.source())
	if err != nil {
		return r, err
	}
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return r, err
	}
	root = filepath.Join(root, "exports")
	libraries, err := o.libraries(ctx)
	if err != nil {
		return r, err
	}
	k, err := cacheKey(o, spec, libraries)
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
		if o.Accept != nil {
			if err := o.Accept(home); err != nil {
				return r, err
			}
		}
		return r, o.deliver(ctx, &r)
	}
	if cache.Exists(home) {
		o.Progress.Say("the cached export is damaged: exporting again")
	}
	tmp, err := cache.Scratch(home)
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	src, err := o.prepare(ctx)
	if err != nil {
		return r, err
	}
	err = build(ctx, o, src, tmp)
	src.Release()
	if err != nil {
		return r, err
	}
	if err := cache.RenameInto(tmp, home); err != nil {
		return r, err
	}
	if o.DropSource {
		if err := source.Drop(ctx, o.source()); err != nil {
			return r, err
		}
	}
	if r.Candidate, err = candidate.Read(home); err != nil {
		return r, err
	}
	return r, o.deliver(ctx, &r)
}

// libraries identifies an interpreter that the user named by its libraries'
// versions. It is empty for the environment that embedgate makes: its
// requirements are in the key, and a cached export needs no environment.
func (o Options) libraries(ctx context.Context) (string, error) {
	if o.Python == "" && os.Getenv(pyenv.PythonVar) == "" {
		return "", nil
	}
	kind := pyenv.Export
	if o.Plain {
		kind = pyenv.Reference
	}
	e, err := o.environment(ctx, kind)
	return e.Hash, err
}

// cacheKey names an export by all that decides its bytes.
func cacheKey(o Options, spec, libraries string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q %q %v %q %q\n", candidate.Schema, o.Model, spec, o.Plain, o.names(), libraries)
	for _, f := range slices.Sorted(maps.Keys(o.Files)) {
		fmt.Fprintf(h, "%s %s\n", o.Files[f], f)
	}
	err := fs.WalkDir(scripts.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !decidesBytes(p) {
			return err
		}
		b, err := fs.ReadFile(scripts.FS, p)
		fmt.Fprintf(h, "%s %d\n", p, len(b))
		h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:32], err
}

// decidesBytes reports whether an embedded file decides an export's bytes. The others
// are the scripts that make goldens and fetch, whose results have digests of
// their own, and requirements of what exports nothing.
func decidesBytes(name string) bool {
	switch {
	case strings.HasPrefix(name, "golden/"), name == "export/hf_download.py":
		return false
	case strings.HasPrefix(name, "requirements/"):
		return name == pyenv.Requirements(pyenv.Export) || name == pyenv.Requirements(pyenv.Reference)
	}
	return true
}
