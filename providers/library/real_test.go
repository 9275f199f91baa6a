package library

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
)

func entry(t *testing.T, name string) providers.Entry {
	t.Helper()
	e, ok := providers.Lookup(name)
	require.True(t, ok)
	return e
}

func TestTheCPUsLibraryIsTheRunEnvironments(t *testing.T) {
	e := entry(t, "cpu")
	lib, err := Find(t.Context(), e, Options{})
	require.NoError(t, err)
	assert.FileExists(t, lib.Path)
	assert.NotEmpty(t, lib.Device.Name)
	assert.Empty(t, lib.Preload)
	found, next, ok := State(t.Context(), e, Options{})
	assert.True(t, ok, "%s; %s", found, next)
	assert.Contains(t, found, lib.Device.Name)
}

// The package is fetched by the test into the user's cache, as the product
// does it: a first run takes as long as 114 MB do.
func TestWebGPUsLibraryIsFetchedWithNPM(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches 114 MB where the cache has them not")
	}
	e := entry(t, "webgpu")
	if found, next, ok := State(t.Context(), e, Options{}); !ok && os.Getenv("CI") == "" {
		t.Skip(found, "; next: ", next)
	}
	lib, err := Find(t.Context(), e, Options{Progress: func(e progress.Event) { t.Log(e.Message) }})
	require.NoError(t, err)
	assert.Equal(t, "libonnxruntime.so.1", filepath.Base(lib.Path))
	left, err := os.ReadDir(filepath.Dir(lib.Path))
	require.NoError(t, err)
	assert.Len(t, left, 2, "the library and the marker: %v", left)
	assert.NotEmpty(t, lib.Device.Name)
	t.Logf("%+v", lib)
	again, err := Find(t.Context(), e, Options{})
	require.NoError(t, err)
	assert.Equal(t, lib, again)
}
