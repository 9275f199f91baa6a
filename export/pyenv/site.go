package pyenv

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"

	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
)

// asksSite tells where an interpreter's packages lie: those with native
// libraries first.
const asksSite = `import json, sysconfig; print(json.dumps([sysconfig.get_path("platlib"), sysconfig.get_path("purelib")]))`

// Site is the environment's site-packages.
func (e Env) Site() string { return sitePackages(e.Dir) }

// SiteOf asks an interpreter that the user named for its site-packages, without
// running anything that is installed there.
func SiteOf(ctx context.Context, python string) ([]string, error) {
	c := exec.CommandContext(ctx, python, "-I", "-c", asksSite)
	c.Env = process.Environ()
	out, err := c.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var dirs []string
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &dirs)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.Missing, Thing: python, Got: "an interpreter that does not run",
			Wanted: "a Python whose packages hold the provider's libraries", Err: err,
			Next: "correct it, or leave it out: embedgate then makes its own environment"}
	}
	return dirs, nil
}
