package pyenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// unused are folders of packages that no script imports: half of what onnx
// installs is data for its own tests. Globs under site-packages.
var unused = []string{
	"*/tests", "*/*/tests", "*/*/*/tests", "onnx/backend/test",
	"numpy/f2py", "numpy/distutils", "numpy/_core/include",
	"onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools", "onnxruntime/datasets", "onnxruntime/backend",
}

// unusedKinds are files of packages that Python does not read: types for
// editors, and sources and headers in C++.
var unusedKinds = []string{".pyi", ".pxd", ".cc", ".h", ".proto", ".a"}

// prune removes what is unused. The import of all that the scripts import,
// which comes after, tells that none was needed.
func (e Env) prune() error {
	site := sitePackages(e.Dir)
	for _, pattern := range unused {
		found, err := filepath.Glob(filepath.Join(site, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, dir := range found {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return filepath.WalkDir(site, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && slices.Contains(unusedKinds, filepath.Ext(p)) {
			return os.Remove(p)
		}
		return err
	})
}
