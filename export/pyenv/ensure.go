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

// Ensure returns an environment that is whole, making or remaking it where it
// is not. Two Ensures at once are safe: one builds, the other waits. What it
// cannot get is a fault of kind Missing.
func Ensure(ctx context.Context, o Options) (Env, error) {
	if python, from := o.override(); python != "" {
		return given(ctx, o.Kind, python, from)
	}
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return Env{}, err
	}
	if e, err := ready(ctx, o.Kind, root); e.Dir != "" || err != nil {
		return e, err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return Env{}, err
	}
	e, err := at(o.Kind, root, base.Version)
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
	broken := e.broken(ctx)
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
			Err: err, Next: remedy(o.Kind, err),
		}
	}
	return e, nil
}

// State tells where an environment is, or what is wrong with it, and makes
// nothing.
func State(ctx context.Context, o Options) (string, error) {
	if python, from := o.override(); python != "" {
		_, err := given(ctx, o.Kind, python, from)
		return python, err
	}
	root, err := cache.Or(o.CacheDir)
	if err != nil {
		return "", err
	}
	if e, err := ready(ctx, o.Kind, root); e.Dir != "" || err != nil {
		return e.Dir, err
	}
	base, err := FindBase(ctx)
	if err != nil {
		return "", err
	}
	e, err := at(o.Kind, root, base.Version)
	if err != nil {
		return "", err
	}
	return e.Dir, e.broken(ctx)
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

// ready finds a whole environment, made by whichever Python: to look for one
// on the PATH takes longer than all else in a start. Its zero value means that
// there is none.
func ready(ctx context.Context, k Kind, root string) (Env, error) {
	for minor := newest; minor >= oldest; minor-- {
		e, err := at(k, root, fmt.Sprintf("3.%d", minor))
		if err != nil {
			return Env{}, err
		}
		if e.broken(ctx) == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return Env{}, ctx.Err()
		}
	}
	return Env{}, nil
}

// at is where the environment made by a version of Python lies.
func at(k Kind, root, python string) (Env, error) {
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
