package publish

import (
	"context"
	"path/filepath"
	"regexp"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/publish/dirstore"
	"github.com/embedgate/embedgate/publish/store"
)

// kind is one kind of target, KIND:PLACE. A new kind is a package that passes
// storetest, and an entry in kinds.
type kind struct {
	// store returns the store that PLACE of --to names.
	store func(place string, sink progress.Sink) store.Store
	// open opens the one release that PLACE of embedgate verify names.
	open func(ctx context.Context, place string) (store.Folder, error)
}

const dirKind = "dir" // of a target without a kind

var kinds = map[string]kind{
	dirKind: {
		store: func(place string, sink progress.Sink) store.Store { return dirstore.New(place, sink) },
		open: func(_ context.Context, place string) (store.Folder, error) {
			return dirstore.OpenFolder(filepath.Clean(place))
		},
	},
}

// kindPrefix wants two letters or more: one letter is a Windows drive.
var kindPrefix = regexp.MustCompile(`^([a-z][a-z0-9+.-]+):(.*)$`)

func parseTarget(target string) (k kind, place string, err error) {
	name, place := dirKind, target
	if m := kindPrefix.FindStringSubmatch(target); m != nil {
		name, place = m[1], m[2]
	}
	k, ok := kinds[name]
	if !ok {
		return k, "", &fault.Error{Kind: fault.Usage, Thing: "target " + target, Got: "the kind " + name, Wanted: "a directory, as PATH or dir:PATH"}
	}
	if place == "" {
		return k, "", &fault.Error{Kind: fault.Usage, Thing: "target", Got: "none", Wanted: "a directory, as PATH or dir:PATH", Next: "name one with --to, such as --to dist"}
	}
	return k, place, nil
}
