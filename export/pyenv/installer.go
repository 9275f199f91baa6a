package pyenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Pip is a Python whose pip fetches and installs for other environments: the
// environments themselves have none, because it is a fifth of a small one.
type Pip struct {
	Python string
	env    []string // how packages are reached, and no other setting of the user's
	made   string   // the folder of an environment that was made for it
}

// FindPip takes the pip of a Python on the PATH, and makes an environment in
// the folder scratch with one where that has none. Close removes it.
func FindPip(ctx context.Context, scratch string) (Pip, error) {
	base, err := FindBase(ctx)
	if err != nil {
		return Pip{}, err
	}
	return pipOf(ctx, base, scratch)
}

func pipOf(ctx context.Context, base Base, scratch string) (Pip, error) {
	if hasPip(ctx, base.Path) {
		env, err := installing(ctx, base.Path)
		return Pip{Python: base.Path, env: env}, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(scratch), filepath.Base(scratch)+"-pip-")
	if err != nil {
		return Pip{}, err
	}
	p := Pip{Python: interpreter(dir), made: dir}
	err = run(ctx, base.Path, "-m", "venv", dir)
	if err == nil {
		p.env, err = installing(ctx, p.Python)
	}
	if err != nil {
		p.Close()
		return Pip{}, err
	}
	return p, nil
}

// Command prepares a call of pip, which ends as Command's children do.
func (p Pip) Command(ctx context.Context, args ...string) *exec.Cmd {
	c := Command(ctx, p.Python, append([]string{"-I", "-m", "pip"}, args...)...)
	c.Env = append(c.Env, p.env...)
	return c
}

// Close removes what was made for the pip.
func (p Pip) Close() {
	if p.made != "" {
		_ = os.RemoveAll(p.made)
	}
}

// hasPip tells whether an interpreter has a pip that installs for others:
// --python came with 22.3.
func hasPip(ctx context.Context, python string) bool {
	c := exec.CommandContext(ctx, python, "-I", "-m", "pip", "--version")
	c.Env = Environ()
	out, err := c.Output()
	var major, minor int
	n, _ := fmt.Sscanf(string(out), "pip %d.%d", &major, &minor)
	return err == nil && n == 2 && (major > 22 || major == 22 && minor >= 3)
}

// install installs a file of requirements, by their hashes, for the
// interpreter target.
func (p Pip) install(ctx context.Context, target, requirements string, noDeps bool) error {
	args := []string{"--python", target, "install", "--quiet", "--no-compile", "--require-hashes", "--only-binary=:all:"}
	if noDeps {
		args = append(args, "--no-deps")
	}
	return finish(ctx, p.Command(ctx, append(args, "-r", requirements)...))
}

// uv is a program that installs in seconds what takes pip minutes, in a folder
// of its own.
type uv struct {
	dir, python string
	env         []string // Pip's
}

// uv fetches uv into a folder beside scratch.
func (p Pip) uv(ctx context.Context, base Base, scratch, requirements string) (uv, error) {
	dir, err := os.MkdirTemp(filepath.Dir(scratch), filepath.Base(scratch)+"-uv-")
	if err != nil {
		return uv{}, err
	}
	u := uv{dir, interpreter(dir), p.env}
	err = run(ctx, base.Path, "-m", "venv", "--without-pip", dir)
	if err == nil {
		err = p.install(ctx, u.python, requirements, true)
	}
	if err != nil {
		u.close()
	}
	return u, err
}

func (u uv) close() { _ = os.RemoveAll(u.dir) }

// install is Pip's. What uv fetched lies beside the environment, so that it is
// linked there and not copied, and goes with uv; unless the user has a place
// for it.
func (u uv) install(ctx context.Context, target, requirements string, noDeps bool) error {
	args := []string{"-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "--python", target}
	if os.Getenv("UV_CACHE_DIR") == "" {
		args = append(args, "--cache-dir", filepath.Join(u.dir, "cache"))
	}
	if noDeps {
		args = append(args, "--no-deps")
	}
	c := Command(ctx, u.python, append(args, "-r", requirements)...)
	c.Env = append(c.Env, u.env...)
	c.Dir = u.dir // a project's uv.toml is looked for from here on
	return finish(ctx, c)
}
