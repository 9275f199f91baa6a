package providers

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCatalogueIsCompleteData(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Catalogue {
		t.Run(e.Name, func(t *testing.T) {
			assert.False(t, seen[e.Name], "a name appears once")
			seen[e.Name] = true
			assert.NotEmpty(t, e.Title)
			assert.NotEmpty(t, e.Runtime)
			assert.NotEmpty(t, e.EP)
			assert.NotEmpty(t, e.Needs)
			if len(e.Platforms) > 0 {
				assert.NotEmpty(t, e.Remedy, "a provider that some machines lack says what to do there")
			}
			assert.Equal(t, e.Attach == AttachByName, e.Key != "", "a key exactly where one is attached by name")
			assert.NotEmpty(t, e.Proof, "evidence says on what it was measured")
			assert.NotEmpty(t, e.Source.Package)
			assert.Regexp(t, `^\d+\.\d+\.\d+$`, e.Source.Version, "exact")
			assert.Equal(t, e.Source.Origin == FromNPM, e.Source.Integrity != "", "a tarball is pinned here, wheels by their requirements")
			assert.Equal(t, e.Source.Origin == FromWheel, e.Source.Env != "")
			for _, p := range e.Platforms {
				files, ok := e.Source.FilesFor(p)
				assert.True(t, ok, "a library for each platform that it claims: %s", p)
				assert.NotEmpty(t, files.Library)
				assert.Equal(t, e.Attach == AttachPlugin, files.Plugin != "", "a plugin library exactly where one is registered")
			}
			got, ok := Lookup(e.Name)
			require.True(t, ok)
			assert.Equal(t, e, got)
		})
	}
	assert.Equal(t, []string{"cpu", "coreml", "cuda", "tensorrt", "directml", "openvino", "webgpu"}, Names())
}

func TestLookupOfAnUnknownNameSaysSo(t *testing.T) {
	_, ok := Lookup("CPU")
	assert.False(t, ok, "names are exact")
	_, ok = Lookup("")
	assert.False(t, ok)
	assert.Contains(t, KnownNames(), "cpu, coreml")
}

func TestAvailability(t *testing.T) {
	linux, mac, win := Platform{"linux", "amd64"}, Platform{"darwin", "arm64"}, Platform{"windows", "amd64"}
	for _, c := range []struct {
		name, provider string
		on             Platform
		ok             bool
		reason         string
	}{
		{"the CPU is available on Linux", "cpu", linux, true, ""},
		{"the CPU is available on a Mac", "cpu", mac, true, ""},
		{"CoreML on Linux names what it needs and what this is", "coreml", linux, false,
			"needs macOS 14.4 or later on Apple silicon; this machine is linux/amd64"},
		{"CoreML on an Intel Mac is refused for its architecture", "coreml", Platform{"darwin", "amd64"}, false,
			"needs macOS 14.4 or later on Apple silicon; this machine is darwin/amd64"},
		{"CoreML is available on a Mac", "coreml", mac, true, ""},
		{"CUDA is available on Linux", "cuda", linux, true, ""},
		{"TensorRT is refused where CUDA is", "tensorrt", mac, false,
			"needs an NVIDIA GPU with a driver for CUDA 13 (580 or later) and TensorRT 10 on Linux or Windows, amd64; this machine is darwin/arm64"},
		{"DirectML on Linux is refused", "directml", linux, false,
			"needs Windows 10 or later with a DirectX 12 GPU; this machine is linux/amd64"},
		{"WebGPU is available on Windows", "webgpu", win, true, ""},
		{"an operating system that has no build is named", "cpu", Platform{"plan9", "amd64"}, false,
			"onnxruntime 1.32.0 has no build for plan9/amd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, ok := Lookup(c.provider)
			require.True(t, ok)
			reason, remedy, ok := e.AvailableOn(c.on)
			assert.Equal(t, c.ok, ok)
			assert.Equal(t, c.reason, reason)
			if len(e.Platforms) > 0 {
				assert.Equal(t, c.ok, remedy == "", "a remedy exactly where it is not available")
			}
		})
	}
}

func TestAPlatformWithoutArchitectureCoversAll(t *testing.T) {
	assert.True(t, Platform{OS: "linux"}.covers(Platform{"linux", "riscv64"}))
	assert.False(t, Platform{OS: "linux"}.covers(Platform{"darwin", "arm64"}))
	assert.Equal(t, "linux", Platform{OS: "linux"}.String())
}
