package source

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/export/pyenv/pyscript"
	"github.com/embedgate/embedgate/internal/fault"
)

var hubName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)
var hubRevision = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// fromHub downloads the pinned files, and no other. The script needs nothing
// beyond Python's own library, so that any Python will do.
func fromHub(ctx context.Context, o Options, rest, dir string) error {
	name, revision, ok := strings.Cut(rest, "@")
	if !ok || !hubName.MatchString(name) || !hubRevision.MatchString(revision) {
		return &fault.Error{Kind: fault.Usage, Thing: "model.source", Got: o.Spec, Wanted: "hf:NAME@REVISION with a commit hash or tag"}
	}
	if revision == "main" || revision == "master" {
		return &fault.Error{Kind: fault.Usage, Thing: "model.source", Got: o.Spec + ", a branch, which moves", Wanted: "a commit hash or tag", Next: "take the commit's hash from the model's history on the hub"}
	}
	python := o.Python
	if python == "" {
		base, err := pyenv.FindBase(ctx)
		if err != nil {
			return err
		}
		python = base.Path
	}
	files, err := json.Marshal(slices.Sorted(maps.Keys(o.Files)))
	if err != nil {
		return err
	}
	_, err = pyscript.Run(ctx, pyscript.Options{
		Python: python, Script: "export/hf_download.py", Progress: o.Progress,
		Args: []string{"--name", name, "--revision", revision, "--files", string(files), "--out", dir},
	})
	return err
}
