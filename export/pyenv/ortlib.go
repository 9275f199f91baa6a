package pyenv

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
)

// OrtLib returns the path of ONNX Runtime's shared library: override, else
// $EMBEDGATE_ORT_LIB, else the one in the export environment, which is made where
// it is missing.
func OrtLib(ctx context.Context, override, cacheDir string, p progress.Sink) (string, error) {
	from := "--ort-lib"
	if override == "" {
		override, from = os.Getenv(OrtLibVar), OrtLibVar
	}
	if override != "" {
		if i, err := os.Stat(override); err != nil || !i.Mode().IsRegular() {
			return "", &fault.Error{
				Kind: fault.Missing, Thing: override, Got: "no such file", Wanted: "ONNX Runtime's shared library",
				Err: err, Next: "correct " + from + ", or leave it out to use the pinned one",
			}
		}
		return filepath.Abs(override)
	}
	e, err := Ensure(ctx, Options{Kind: Export, Own: true, CacheDir: cacheDir, Progress: p})
	if err != nil {
		return "", err
	}
	pattern := map[string]string{"windows": "onnxruntime.dll", "darwin": "libonnxruntime*.dylib"}[runtime.GOOS]
	if pattern == "" {
		pattern = "libonnxruntime.so*"
	}
	m, err := filepath.Glob(filepath.Join(sitePackages(e.Dir), "onnxruntime", "capi", pattern))
	if err != nil || len(m) == 0 {
		return "", &fault.Error{
			Kind: fault.Missing, Thing: "the onnxruntime wheel", Got: "no " + pattern, Wanted: "its shared library",
			Next: "name one with --ort-lib FILE",
		}
	}
	return m[0], nil
}
