package publish

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/embedgate/embedgate/internal/files"
)

// maxSmall bounds the JSON and YAML files of a release.
const maxSmall = 64 << 20

func (r *Report) small(name string) ([]byte, error) { return r.upTo(name, maxSmall) }

func (r *Report) upTo(name string, most int64) ([]byte, error) {
	b, err := files.ReadCapped(r.path(name), most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if unfit, ok := errors.AsType[*files.Unfit](err); ok {
		return nil, fmt.Errorf("%s: %w", name, unfit)
	}
	return b, err
}
