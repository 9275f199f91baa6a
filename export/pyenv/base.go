package pyenv

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv/pip"
	"github.com/embedgate/embedgate/internal/fault"
)

// Base is the Python that environments are made with.
type Base struct {
	Path    string
	Version string // "3.11"
}

// Minor versions of Python 3: older ones lack what the libraries need, newer
// ones may have no wheels of them yet.
const oldest, newest = 11, 14

var candidates = []string{"python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"}

// FindBase finds a Python of at least 3.11 on the PATH that can make
// environments. One that the pinned libraries are known to have wheels for is
// preferred.
func FindBase(ctx context.Context) (Base, error) {
	var seen []string
	var newer *Base
	for _, name := range candidates {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		v, err := version(ctx, path)
		if ctx.Err() != nil {
			return Base{}, ctx.Err()
		}
		minor, known := minorOf(v)
		switch {
		case err != nil:
			seen = append(seen, name+" (does not run)")
		case !known || minor < oldest:
			seen = append(seen, name+" "+v)
		case !makesEnvironments(ctx, path):
			seen = append(seen, name+" "+v+" (without venv or ensurepip)")
		case minor > newest:
			if newer == nil {
				newer = &Base{path, v}
			}
		default:
			return Base{path, v}, nil
		}
	}
	if newer != nil {
		return *newer, nil
	}
	got := "none on the PATH"
	if len(seen) > 0 {
		got = strings.Join(seen, ", ")
	}
	return Base{}, &fault.Error{
		Kind: fault.Missing, Thing: "Python", Got: got, Wanted: "Python 3.11 or newer, with venv",
		Next: "install one (Debian: apt-get install python3 python3-venv; macOS: brew install python@3.13; Windows: winget install Python.Python.3.13) and see embedgate doctor",
	}
}

// minorOf reads "3.11".
func minorOf(v string) (minor int, ok bool) {
	var major int
	n, err := fmt.Sscanf(v, "%d.%d", &major, &minor)
	return minor, err == nil && n == 2 && major == 3
}

// version asks an interpreter for its version, "3.11".
func version(ctx context.Context, python string) (string, error) {
	c := exec.CommandContext(ctx, python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
	out, err := c.Output()
	return string(bytes.TrimSpace(out)), err
}

// makesEnvironments is false for Debian's python3 without python3-venv.
func makesEnvironments(ctx context.Context, python string) bool {
	return exec.CommandContext(ctx, python, "-I", "-c", "import venv, ensurepip").Run() == nil
}

// FindPip takes the pip of a Python on the PATH, and makes an environment with
// one beside the folder scratch where that has none. Its Close removes it.
func FindPip(ctx context.Context, scratch string) (pip.Pip, error) {
	base, err := FindBase(ctx)
	if err != nil {
		return pip.Pip{}, err
	}
	return pip.Open(ctx, base.Path, scratch)
}
