package pyenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv/pip"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/scripts"
)

// Ensure returns a whole environment. It makes one where there is none, and
// makes a broken one again. Two Ensures at once are safe: one builds, the other waits. What it
// cannot get is a fault of kind Missing.
func Ensure(ctx context.Context, o Options) (Env, error) {
	if python, from := o.override(); python != "" {
		return checkOverride(ctx, o.Kind, python, from)
	}
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return Env{}, err
	}
	if e, err := findReady(ctx, o.Kind, root); e.Dir != "" || err != nil {
		return e, err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return Env{}, err
	}
	e, err := envFor(o.Kind, root, base.Version)
	if err != nil {
		return Env{}, err
	}
	unlock, err := cache.Lock(ctx, e.Dir, func() {
		o.Progress.Say("waiting for another embedgate that is making the %s environment", o.Kind)
	})
	if err != nil {
		return Env{}, err
	}
	defer unlock()
	broken := e.check(ctx)
	if broken == nil {
		return e, nil // made while this waited
	}
	if ctx.Err() != nil {
		return Env{}, ctx.Err()
	}
	if cache.Exists(e.Dir) {
		o.Progress.Say("the %s environment is broken (%v): making it again", o.Kind, broken)
	}
	if err := e.build(ctx, base, o.Progress); err != nil {
		if ctx.Err() != nil {
			return Env{}, ctx.Err()
		}
		return Env{}, &fault.Error{
			Kind: fault.Missing, Thing: fmt.Sprintf("the %s environment", o.Kind), Wanted: "Python packages installed from the package registry",
			Err: err, Next: nextStep(o.Kind, err),
		}
	}
	return e, nil
}

// State returns where an environment is, or what is wrong with it. It makes
// nothing.
func State(ctx context.Context, o Options) (string, error) {
	if python, from := o.override(); python != "" {
		_, err := checkOverride(ctx, o.Kind, python, from)
		return python, err
	}
	root, err := cache.DirOr(o.CacheDir)
	if err != nil {
		return "", err
	}
	if e, err := findReady(ctx, o.Kind, root); e.Dir != "" || err != nil {
		return e.Dir, err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return "", err
	}
	e, err := envFor(o.Kind, root, base.Version)
	if err != nil {
		return "", err
	}
	return e.Dir, e.check(ctx)
}

func (o Options) override() (python, from string) {
	if o.Own {
		return "", ""
	}
	if o.Override != "" {
		return o.Override, "--python"
	}
	if o.Kind == Export || o.Kind == Reference {
		return os.Getenv(PythonVar), PythonVar
	}
	return "", ""
}

// findReady finds a whole environment, whichever Python made it: a search for a
// Python on the PATH takes longer than the rest of a start. The zero value means
// that there is none.
func findReady(ctx context.Context, k Kind, root string) (Env, error) {
	for minor := newest; minor >= oldest; minor-- {
		e, err := envFor(k, root, fmt.Sprintf("3.%d", minor))
		if err != nil {
			return Env{}, err
		}
		if e.check(ctx) == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return Env{}, ctx.Err()
		}
	}
	return Env{}, nil
}

// envFor is the environment that a version of Python makes, whether it exists
// or not.
func envFor(k Kind, root, python string) (Env, error) {
	hash, err := keyOf(k, python)
	if err != nil {
		return Env{}, err
	}
	e := Env{Kind: k, Dir: filepath.Join(root, "env", string(k)+"-"+hash[:16]), Hash: hash}
	e.Python = pip.Interpreter(e.Dir)
	return e, nil
}

// keyOf names an environment by all that decides its content.
func keyOf(k Kind, python string) (string, error) {
	h := sha256.New()
	for _, f := range []string{bootstrap, Requirements(k)} {
		body, err := fs.ReadFile(scripts.FS, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", path.Base(f), len(body))
		h.Write(body)
	}
	fmt.Fprintf(h, "python %s %s/%s", python, runtime.GOOS, runtime.GOARCH)
	return hex.EncodeToString(h.Sum(nil)), nil
}

const bootstrap = "requirements/requirements-bootstrap.txt"

// Requirements is the file of an environment's hashed requirements, in package
// scripts.
func Requirements(k Kind) string { return "requirements/requirements-" + string(k) + ".txt" }

func sitePackages(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Lib", "site-packages")
	}
	m, _ := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages"))
	if len(m) == 0 {
		return filepath.Join(dir, "lib", "site-packages")
	}
	return m[0]
}
