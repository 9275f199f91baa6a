package pyenv

import (
	"debug/elf"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnePackagesPinsAreTakenAlone(t *testing.T) {
	const list = "# made\nonnx==1 \\\n    --hash=sha256:a\nonnxruntime==2 \\\n    --hash=sha256:b \\\n    --hash=sha256:c\n    # via x\nzip==3 \\\n    --hash=sha256:d\n"
	pins, ok := pinsOf(list, "onnxruntime")
	assert.True(t, ok)
	assert.Equal(t, "onnxruntime==2 \\\n    --hash=sha256:b \\\n    --hash=sha256:c\n    # via x\n", pins)
	_, ok = pinsOf(list, "torch")
	assert.False(t, ok)
}

func TestAnotherPlatformsPackageIsFetchedOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches a wheel: run without -short")
	}
	o := Options{Kind: Export, CacheDir: t.TempDir()}
	dir, err := Foreign(t.Context(), o, "linux/arm64", "onnxruntime")
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(dir, "onnxruntime", "capi", "libonnxruntime.so*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	f, err := elf.Open(found[0])
	require.NoError(t, err)
	assert.Equal(t, elf.EM_AARCH64, f.Machine)
	require.NoError(t, f.Close())
	again, err := Foreign(t.Context(), o, "linux/arm64", "onnxruntime")
	require.NoError(t, err)
	assert.Equal(t, dir, again)
	_, err = Foreign(t.Context(), o, "plan9/mips", "onnxruntime")
	assert.Error(t, err)
}
