package pyenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
)

// lookupScript prints an interpreter's version and, of the modules named in its
// arguments (MODULE=DISTRIBUTION), which are installed and in which version.
const lookupScript = `
import json, sys
found = {}
if sys.version_info >= (3, 11):
    import importlib.metadata, importlib.util
for arg in sys.argv[1:] if sys.version_info >= (3, 11) else []:
    module, dist = arg.split("=")
    if importlib.util.find_spec(module):
        try:
            found[module] = importlib.metadata.version(dist)
        except importlib.metadata.PackageNotFoundError:
            found[module] = "unknown"
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "modules": found}))
`

// checkOverride checks an interpreter that the user named and takes it as it is. Its
// hash is that of the libraries' versions, so that an export made with others
// is not taken from the cache.
func checkOverride(ctx context.Context, k Kind, python, from string) (Env, error) {
	bad := func(got string, err error) (Env, error) {
		return Env{}, &fault.Error{
			Kind: fault.Missing, Thing: python, Got: got, Wanted: fmt.Sprintf("a Python of at least 3.%d with the packages of scripts/%s", oldest, Requirements(k)),
			Err: err, Next: "correct " + from + ", or leave it out: embedgate then makes its own environment",
		}
	}
	modules := kinds[k].modules
	args := []string{"-I", "-c", lookupScript}
	for _, m := range slices.Sorted(maps.Keys(modules)) {
		args = append(args, m+"="+modules[m])
	}
	var tail process.Tail
	c := exec.CommandContext(ctx, python, args...)
	c.Env, c.Stderr = process.Environ(), &tail
	out, err := c.Output()
	if ctx.Err() != nil {
		return Env{}, ctx.Err()
	}
	if err != nil {
		got := "an interpreter that does not run"
		if last := tail.Lines(1); last != "" {
			got += " (" + last + ")"
		}
		return bad(got, err)
	}
	var answer struct {
		Python  string            `json:"python"`
		Modules map[string]string `json:"modules"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), &answer); err != nil {
		return bad("a program that is no Python", nil)
	}
	if minor, ok := minorOf(answer.Python); !ok || minor < oldest {
		return bad("Python "+answer.Python, nil)
	}
	var missing []string
	for m := range modules {
		if answer.Modules[m] == "" {
			missing = append(missing, m)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return bad("no "+strings.Join(missing, ", "), nil)
	}
	return Env{Kind: k, Python: python, Hash: files.HashBytes(out)}, nil
}
