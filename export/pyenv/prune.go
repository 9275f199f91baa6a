package pyenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// unusedFolders are folders of packages that no script imports: half of what onnx
// installs is data for its own tests. Globs under site-packages.
var unusedFolders = []string{
	"*/tests", "*/*/tests", "*/*/*/tests", "onnx/backend/test",
	"numpy/f2py", "numpy/distutils", "numpy/_core/include",
	"onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools", "onnxruntime/datasets", "onnxruntime/backend",
}

// unusedSuffixes end the names of files of packages that Python does not read: types for
// editors, and sources and headers in C++.
var unusedSuffixes = []string{".pyi", ".pxd", ".cc", ".h", ".proto", ".a"}

// prune removes what is unused. smoke runs after it and shows that nothing that
// was removed is needed.
func (e Env) prune() error {
	site := sitePackages(e.Dir)
	for _, pattern := range unusedFolders {
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
		if err == nil && d.Type().IsRegular() && slices.Contains(unusedSuffixes, filepath.Ext(p)) {
			return os.Remove(p)
		}
		return err
	})
}
