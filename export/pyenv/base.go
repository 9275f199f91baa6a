package pyenv

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/embedgate/embedgate/pipeline/fault"
)

// Base is the Python that environments are made with.
type Base struct {
	Path    string
	Version string // "3.11"
}

var candidates = []string{"python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"}

// FindBase finds a Python of at least 3.11 on the PATH. The export libraries
// have no wheels for Pythons newer than those named here.
func FindBase(ctx context.Context) (Base, error) {
	var seen []string
	for _, name := range candidates {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		v, err := version(ctx, path)
		if err != nil {
			seen = append(seen, name+" (does not run)")
			continue
		}
		var major, minor int
		if _, err := fmt.Sscanf(v, "%d.%d", &major, &minor); err == nil && major == 3 && minor >= 11 {
			return Base{path, v}, nil
		}
		seen = append(seen, name+" "+v)
	}
	got := "none on the PATH"
	if len(seen) > 0 {
		got = strings.Join(seen, ", ")
	}
	return Base{}, &fault.Error{
		Kind: fault.Missing, Thing: "Python", Got: got, Wanted: "Python 3.11 or newer",
		Next: "install one (Debian: apt-get install python3 python3-venv; macOS: brew install python@3.12) and see embedgate doctor",
	}
}

func version(ctx context.Context, python string) (string, error) {
	c := exec.CommandContext(ctx, python, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
	out, err := c.Output()
	return string(bytes.TrimSpace(out)), err
}
