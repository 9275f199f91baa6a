package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/scripts"
)

// foreignPlatforms is pip's name of a platform, by Go's: the oldest system that
// ONNX Runtime's own wheels run on.
var foreignPlatforms = map[string]string{
	"linux/amd64": "manylinux_2_28_x86_64",
	"linux/arm64": "manylinux_2_28_aarch64",
}

// Foreign returns a folder that holds one package of an environment, without
// what it depends on, for another platform ("linux/arm64"), laid out as
// site-packages. Nothing of it can run here; it is pinned by the environment's
// own hashes. It is made under a lock where it does not exist. What cannot be
// fetched is a fault of kind Missing.
func Foreign(ctx context.Context, o Options, platform, name string) (string, error) {
	tag, ok := foreignPlatforms[platform]
	if !ok {
		return "", fmt.Errorf("no packages are known for %s", platform)
	}
	list, err := scripts.FS.ReadFile(Requirements(o.Kind))
	if err != nil {
		return "", err
	}
	pins, ok := pinsOf(string(list), name)
	if !ok {
		return "", fmt.Errorf("%s is not in %s", name, Requirements(o.Kind))
	}
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "env", strings.ReplaceAll(name+"-"+platform, "/", "-")+"-"+files.HashBytes([]byte(pins + tag))[:16])
	unlock, err := cache.Lock(ctx, dir, func() { o.Progress.Say("waiting for another embedgate that is fetching %s for %s", name, platform) })
	if err != nil {
		return "", err
	}
	defer unlock()
	if cache.Exists(dir) {
		return dir, nil // it is renamed when it is whole
	}
	o.Progress.Say("fetching %s for %s, once", name, platform)
	if err := fetchForeign(ctx, dir, pins, tag); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &fault.Error{Kind: fault.Missing, Thing: name + " for " + platform, Wanted: "its wheel from the package registry", Err: err, Next: nextStep(o.Kind, err)}
	}
	return dir, nil
}

func fetchForeign(ctx context.Context, dir, pins, tag string) error {
	tmp, err := cache.Scratch(dir)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	pip, err := FindPip(ctx, dir)
	if err != nil {
		return err
	}
	defer pip.Close()
	file, site := filepath.Join(tmp, "requirements.txt"), filepath.Join(tmp, "site")
	if err := os.WriteFile(file, []byte(pins), 0o666); err != nil {
		return err
	}
	if err := process.Run(ctx, pip.Python, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", "--only-binary=:all:", "--no-deps",
		"--platform", tag, "--target", site, "-r", file); err != nil {
		return err
	}
	return cache.RenameInto(site, dir)
}

// pinsOf is one package's part of a file of requirements: "name==1.0 \" and the
// indented lines of its hashes.
func pinsOf(list, name string) (pins string, ok bool) {
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, " ") {
			ok = strings.HasPrefix(line, name+"==")
		}
		if ok {
			pins += line
		}
	}
	return pins, pins != ""
}
