package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export"
	"github.com/embedgate/embedgate/export/exporttest"
)

// The bytes of an export must not depend on the CPU that makes it: BLAS, numpy
// and ONNX Runtime choose other instructions on each, and other orders of
// summing. Here the same candidate comes from processors that QEMU emulates:
// one without AVX, and one with AVX2.
func TestAnExportHasTheSameBytesOnEveryCPU(t *testing.T) {
	if testing.Short() {
		t.Skip("exports under emulation, half a minute for each CPU")
	}
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		t.Skip("emulates x86-64 programs on Linux on x86-64")
	}
	qemu, err := exec.LookPath("qemu-x86_64-static")
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "what CI runs installs qemu-user-static")
		t.Skip("needs qemu-x86_64-static: apt-get install qemu-user-static")
	}
	python := exporttest.Python(t)
	// The smallest that has every kind of product: what an emulated export costs
	// is mostly Python's start and the calibration of int8.
	dir, files := exporttest.TinyModel(t, exporttest.TinyOptions{Hidden: 16, Layers: 1, Heads: 2, Intermediate: 32, MaxTokens: 32})
	digest := func(t *testing.T, python string) string {
		r, err := export.Run(t.Context(), export.Options{
			Model: "tiny-bert", Spec: "dir:" + dir, Files: files, CacheDir: t.TempDir(), Python: python,
			Variants: []string{"fp32", "fp16", "int8", "fp32-static16", "fp16-static16"},
		})
		require.NoError(t, err)
		require.False(t, r.Cached)
		return r.Candidate.Digest
	}
	native := digest(t, python)
	for _, cpu := range []string{"Nehalem", "Haswell"} {
		t.Run(cpu, func(t *testing.T) {
			t.Parallel()
			emulated := filepath.Join(t.TempDir(), "python")
			body := "#!/bin/sh\nexec '" + qemu + "' -cpu " + cpu + " '" + python + "' \"$@\"\n"
			require.NoError(t, os.WriteFile(emulated, []byte(body), 0o755))
			require.Equal(t, native, digest(t, emulated))
		})
	}
}
