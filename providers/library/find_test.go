package library

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// bare is a machine of platform p that has nothing; files lie under its root.
func bare(t *testing.T, p providers.Platform, env map[string]string, files ...string) machine {
	t.Helper()
	m := machine{platform: p, root: t.TempDir(),
		getenv:   func(k string) string { return env[k] },
		lookPath: func(string) (string, error) { return "", exec.ErrNotFound },
		output: func(context.Context, string, ...string) ([]byte, error) {
			return nil, errors.New("no such program")
		}}
	for _, f := range files {
		put(t, filepath.Join(m.root, f))
	}
	return m
}

func put(t *testing.T, file string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	return file
}

var (
	linux = providers.Platform{OS: "linux", Arch: "amd64"}
	mac   = providers.Platform{OS: "darwin", Arch: "arm64"}
)

func TestAProviderOfAnotherPlatformIsMissing(t *testing.T) {
	_, err := bare(t, linux, nil).find(t.Context(), entry(t, "coreml"), Options{})
	assert.Equal(t, fault.Missing, fault.KindOf(err))
	assert.ErrorContains(t, err, "this machine is linux/amd64")
	_, next, ok := bare(t, linux, nil).state(t.Context(), entry(t, "directml"), Options{})
	assert.False(t, ok)
	assert.Contains(t, next, "Windows machine")
}

func TestALibraryThatTheUserNamesIsTaken(t *testing.T) {
	dir := t.TempDir()
	one, two := put(t, filepath.Join(dir, "one.so")), put(t, filepath.Join(dir, "two.so"))
	for name, c := range map[string]struct {
		provider, override string
		env                map[string]string
		want, says         string
	}{
		"by the flag":                                 {"cpu", one, map[string]string{"EMBEDGATE_CPU_LIB": two}, one, ""},
		"by the provider's own variable":              {"cpu", "", map[string]string{"EMBEDGATE_CPU_LIB": one, pyenv.OrtLibVar: two}, one, ""},
		"by the variable of the export environment's": {"cpu", "", map[string]string{pyenv.OrtLibVar: two}, two, ""},
		"one that is not there":                       {"cpu", "", map[string]string{"EMBEDGATE_CPU_LIB": dir + "/none.so"}, "", "correct EMBEDGATE_CPU_LIB"},
		"a folder":                                    {"cpu", dir, nil, "", "correct --ort-lib"},
	} {
		t.Run(name, func(t *testing.T) {
			m := bare(t, linux, c.env)
			lib, err := m.find(t.Context(), entry(t, c.provider), Options{Override: c.override, CacheDir: t.TempDir()})
			found, next, ok := m.state(t.Context(), entry(t, c.provider), Options{Override: c.override})
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				assert.Equal(t, fault.Missing, fault.KindOf(err))
				assert.False(t, ok)
				assert.Contains(t, next, c.says)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, lib.Path)
			assert.True(t, ok)
			assert.Contains(t, found, c.want)
		})
	}
}

// Untested on hardware: the names are those of the wheels' own preload list.
func TestCUDAsLibrariesAreFoundInTheirOrder(t *testing.T) {
	site := t.TempDir()
	ortLib := put(t, filepath.Join(site, "onnxruntime/capi/libonnxruntime.so.1.31.1"))
	for _, f := range []string{"libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13", "libnvrtc.so.13", "libcurand.so.10"} {
		put(t, filepath.Join(site, "nvidia/cu13/lib", f))
	}
	put(t, filepath.Join(site, "nvidia/cudnn/lib/libcudnn.so.9"))
	m := withGPU(bare(t, linux, nil), "NVIDIA H100 80GB HBM3, 580.65.06, 9.0\n")
	lib, err := m.find(t.Context(), entry(t, "cuda"), Options{Override: ortLib})
	require.NoError(t, err)
	var names []string
	for _, p := range lib.Preload {
		names = append(names, strings.TrimPrefix(p, site+"/"))
	}
	assert.Equal(t, []string{
		"nvidia/cu13/lib/libcublasLt.so.13", "nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libnvrtc.so.13",
		"nvidia/cu13/lib/libcurand.so.10",
		"libcufft.so.12", // not there: the system's loader is asked
		"nvidia/cu13/lib/libcudart.so.13", "nvidia/cudnn/lib/libcudnn.so.9",
	}, names)
	assert.Equal(t, providers.Device{Name: "NVIDIA H100 80GB HBM3", Vendor: "NVIDIA", Driver: "580.65.06", Capability: "9.0"}, lib.Device)

	flat := t.TempDir() // as a bundle lays them out
	ortLib = put(t, filepath.Join(flat, "libonnxruntime.so.1.31.1"))
	put(t, filepath.Join(flat, "libcufft.so.12"))
	lib, err = m.find(t.Context(), entry(t, "cuda"), Options{Override: ortLib})
	require.NoError(t, err)
	assert.Contains(t, lib.Preload, filepath.Join(flat, "libcufft.so.12"))
}

func TestAPluginIsFoundBesideItsRuntime(t *testing.T) {
	site := t.TempDir()
	ortLib := put(t, filepath.Join(site, "onnxruntime/capi/libonnxruntime.so.1.32.0"))
	_, err := bare(t, linux, nil).find(t.Context(), entry(t, "openvino"), Options{Override: ortLib})
	require.ErrorContains(t, err, "libonnxruntime_providers_openvino_plugin.so")
	plugin := put(t, filepath.Join(site, "onnxruntime_ep_openvino/libonnxruntime_providers_openvino_plugin.so"))
	lib, err := bare(t, linux, nil).find(t.Context(), entry(t, "openvino"), Options{Override: ortLib})
	require.NoError(t, err)
	assert.Equal(t, plugin, lib.Plugin)
}

func TestTheFilesOfAnEnvironmentAreFound(t *testing.T) {
	r, err := bare(t, linux, nil).request(entry(t, "openvino"), Options{})
	require.NoError(t, err)
	site := t.TempDir()
	ortLib := put(t, filepath.Join(site, "onnxruntime/capi/libonnxruntime.so.1.32.0"))
	put(t, filepath.Join(site, "onnxruntime_ep_openvino/libonnxruntime_providers_openvino_plugin.so"))
	lib, err := r.inFolders([]string{site}, "the openvino environment")
	require.NoError(t, err)
	assert.Equal(t, ortLib, lib.Path)
	_, err = r.inFolders([]string{"/nowhere"}, "the openvino environment")
	assert.ErrorContains(t, err, "onnxruntime-ep-openvino 1.8.1")
	assert.Equal(t, fault.Missing, fault.KindOf(err))
}
