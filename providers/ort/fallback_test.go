package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// Silent fall-backs: a session that asks for a provider and would compute on
// another. Those that need WebGPU's library are in devicetest.

func TestALibraryWithoutTheProviderOpensNoSessionOnAnother(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	for _, e := range providers.Catalogue {
		if _, _, ok := e.Available(); !ok || e.Attach == providers.AttachNone {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			c := c
			c.Provider = e.Name
			s, err := Open(background, c)
			require.Nil(t, s)
			require.ErrorContains(t, err, "provider "+e.Name)
			assert.Equal(t, fault.Missing, fault.KindOf(err))
			t.Log(err)
		})
	}
}

// noFactories is a plugin that registers and brings no provider.
const noFactories = `
#include <stddef.h>
void *CreateEpFactories(const char *name, const void *api, const void *logger, void **factories, size_t max, size_t *n) { *n = 0; return 0; }
void *ReleaseEpFactory(void *factory) { return 0; }
`

// plugin compiles a shared library.
func plugin(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "plugin.c")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	so := filepath.Join(dir, "libplugin.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", so, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return so
}

func TestAPluginWithoutAProviderOpensNoSessionOnAnother(t *testing.T) {
	e, ok := providers.Lookup("openvino")
	require.True(t, ok)
	if _, _, ok := e.Available(); !ok {
		t.Skip("the catalogue's plugin does not run on this platform")
	}
	text := filepath.Join(t.TempDir(), "libplugin.so")
	require.NoError(t, os.WriteFile(text, []byte("<html>not found</html>"), 0o600))
	// In this order: a plugin stays registered.
	for _, c := range []struct{ name, plugin, says string }{
		{"no plugin", "", "got none"},
		{"one that is not there", "/nonexistent/libplugin.so", "cannot be read"},
		{"one that is no library", text, "does not register"},
		{"a library that is no plugin", plugin(t, "int x;"), "does not register"},
		{"one that registers no provider", plugin(t, noFactories), "offers no device of OpenVINOExecutionProvider"},
	} {
		t.Run(c.name, func(t *testing.T) { refusedPlugin(t, c.plugin, fault.Missing, c.says) })
	}
	t.Run("a second one beside the first", func(t *testing.T) {
		refusedPlugin(t, plugin(t, noFactories), fault.Usage, "a process of its own")
	})
}

func refusedPlugin(t *testing.T, path string, kind fault.Kind, says string) {
	t.Helper()
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	c.Provider, c.Library.Plugin = "openvino", path
	refused(t, c, kind, says)
}
