package compute

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
)

// makeTemp makes a temporary directory next to out, from where a rename is
// atomic.
func makeTemp(out string) (string, error) {
	parent := filepath.Dir(out)
	err := os.MkdirAll(parent, 0o777)
	if err == nil {
		var tmp string
		if tmp, err = os.MkdirTemp(parent, ".tmp-golden-"); err == nil {
			return tmp, nil
		}
	}
	return "", &fault.Error{Kind: fault.Usage, Thing: parent, Wanted: "a folder that can be written to", Err: err, Next: "name another --out"}
}

// replaceable refuses to replace anything but an empty directory or a golden.
func replaceable(dir string) error {
	refuse := func(got string) error {
		return &fault.Error{Kind: fault.Usage, Thing: dir, Got: got, Wanted: "nothing, an empty directory or a golden to replace", Next: "name another --out"}
	}
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return refuse("something that is no directory")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case golden.ManifestName, golden.TextsName, golden.VectorsName:
		default:
			return refuse("a directory that holds " + e.Name())
		}
	}
	return nil
}

// finishDir sets the permissions of a finished directory and flushes its files
// to disk.
func finishDir(dir string) error {
	for _, f := range []string{golden.TextsName, golden.VectorsName, golden.ManifestName} {
		name := filepath.Join(dir, f)
		if err := os.Chmod(name, 0o644); err != nil {
			return err
		}
		if err := flush(name); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

func flush(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
