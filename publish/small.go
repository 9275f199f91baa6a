package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// maxSmall bounds the JSON and YAML files of a release.
const maxSmall = 64 << 20

func (r *Report) small(name string) ([]byte, error) { return r.upTo(name, maxSmall) }

func (r *Report) upTo(name string, most int64) ([]byte, error) {
	i, err := os.Lstat(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > most {
		return nil, fmt.Errorf("%s: got %s of %d bytes, wanted a regular file of at most %d", name, i.Mode().Type(), i.Size(), most)
	}
	return os.ReadFile(r.path(name))
}
