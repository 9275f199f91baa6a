package pyenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatNoScriptImportsIsRemovedAndNothingElse(t *testing.T) {
	e := Env{Dir: t.TempDir()}
	site := filepath.Join(e.Dir, "lib", "python3.11", "site-packages")
	want := map[string]bool{
		"numpy/__init__.py": true, "numpy/core.so": true, "numpy/testing/__init__.py": true, "onnx/backend/base.py": true,
		"numpy/tests/test_a.py": false, "numpy/lib/tests/test_b.py": false, "onnx/backend/test/data/x.onnx": false,
		"onnxruntime/capi/libonnxruntime.so.1": true, "onnxruntime/transformers/optimizer.py": false, "onnx/checker.cc": false, "numpy/__init__.pyi": false,
	}
	if sitePackages(e.Dir) != site {
		require.NoError(t, os.MkdirAll(site, 0o777))
	}
	for name := range want {
		p := filepath.Join(sitePackages(e.Dir), filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o777))
		require.NoError(t, os.WriteFile(p, nil, 0o666))
	}
	require.NoError(t, e.prune())
	for name, kept := range want {
		_, err := os.Stat(filepath.Join(sitePackages(e.Dir), filepath.FromSlash(name)))
		require.Equal(t, kept, err == nil, name)
	}
}
