// Package pip installs packages with pip and uv as the user's pip reaches them:
// the same index, mirror, proxy and certificates, and no other setting. It must
// not know which packages.
package pip

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/embedgate/embedgate/export/pyenv/process"
)

// Pip is a Python whose pip fetches and installs for other environments: the
// environments themselves have none, because it is a fifth of a small one.
type Pip struct {
	Python  string
	env     []string // the user's settings for reaching packages, and no others
	madeDir string   // of an environment that Open made; "": none
}

// Open takes the pip of an interpreter, and makes an environment in a folder
// beside scratch with one where that has none. Close removes it.
func Open(ctx context.Context, python, scratch string) (Pip, error) {
	if hasPip(ctx, python) {
		env, err := readSettings(ctx, python)
		return Pip{Python: python, env: env}, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(scratch), filepath.Base(scratch)+"-pip-")
	if err != nil {
		return Pip{}, err
	}
	p := Pip{Python: Interpreter(dir), madeDir: dir}
	err = process.Run(ctx, python, "-m", "venv", dir)
	if err == nil {
		p.env, err = readSettings(ctx, p.Python)
	}
	if err != nil {
		p.Close()
		return Pip{}, err
	}
	return p, nil
}

// Command prepares a call of pip, which ends as Command's children do.
func (p Pip) Command(ctx context.Context, args ...string) *exec.Cmd {
	c := process.Command(ctx, p.Python, append([]string{"-I", "-m", "pip"}, args...)...)
	c.Env = append(c.Env, p.env...)
	return c
}

// Close removes the environment that Open made, if any.
func (p Pip) Close() {
	if p.madeDir != "" {
		_ = os.RemoveAll(p.madeDir)
	}
}

// hasPip reports whether an interpreter has a pip that installs for others:
// --python came with 22.3.
func hasPip(ctx context.Context, python string) bool {
	c := exec.CommandContext(ctx, python, "-I", "-m", "pip", "--version")
	c.Env = process.Environ()
	out, err := c.Output()
	var major, minor int
	n, _ := fmt.Sscanf(string(out), "pip %d.%d", &major, &minor)
	return err == nil && n == 2 && (major > 22 || major == 22 && minor >= 3)
}

// Install installs a file of requirements, by their hashes, for the
// interpreter target.
func (p Pip) Install(ctx context.Context, target, requirements string, noDeps bool) error {
	args := []string{"--python", target, "install", "--quiet", "--no-compile", "--require-hashes", "--only-binary=:all:"}
	if noDeps {
		args = append(args, "--no-deps")
	}
	return process.Finish(ctx, p.Command(ctx, append(args, "-r", requirements)...))
}

// UV is a program that installs in seconds what takes pip minutes, in a folder
// of its own.
type UV struct {
	dir, python string
	env         []string // Pip's
}

// UV fetches uv into a folder beside scratch.
func (p Pip) UV(ctx context.Context, python, scratch, requirements string) (UV, error) {
	dir, err := os.MkdirTemp(filepath.Dir(scratch), filepath.Base(scratch)+"-uv-")
	if err != nil {
		return UV{}, err
	}
	u := UV{dir, Interpreter(dir), p.env}
	err = process.Run(ctx, python, "-m", "venv", "--without-pip", dir)
	if err == nil {
		err = p.Install(ctx, u.python, requirements, true)
	}
	if err != nil {
		u.Close()
	}
	return u, err
}

// Close removes the folder.
func (u UV) Close() { _ = os.RemoveAll(u.dir) }

// Install is Pip's. What uv fetched lies beside the environment, so that it is
// linked there and not copied, and is removed with uv; unless the user named a
// cache for it.
func (u UV) Install(ctx context.Context, target, requirements string, noDeps bool) error {
	args := []string{"-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "--python", target}
	if os.Getenv("UV_CACHE_DIR") == "" {
		args = append(args, "--cache-dir", filepath.Join(u.dir, "cache"))
	}
	if noDeps {
		args = append(args, "--no-deps")
	}
	c := process.Command(ctx, u.python, append(args, "-r", requirements)...)
	c.Env = append(c.Env, u.env...)
	c.Dir = u.dir // a project's uv.toml is looked for from here on
	return process.Finish(ctx, c)
}

// Interpreter is the Python of the environment in dir.
func Interpreter(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Scripts", "python.exe")
	}
	return filepath.Join(dir, "bin", "python")
}
