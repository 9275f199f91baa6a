package library

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// withGPU lets nvidia-smi answer; an empty answer is its failure.
func withGPU(m machine, answer string) machine {
	m.lookPath = func(string) (string, error) { return "/usr/bin/nvidia-smi", nil }
	m.output = func(context.Context, string, ...string) ([]byte, error) {
		if answer == "" {
			return []byte("NVIDIA-SMI has failed"), errors.New("exit status 9")
		}
		return []byte(answer), nil
	}
	return m
}

func TestAMachineWithoutANVIDIADriverInstallsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		m    machine
		says string
	}{
		"no driver":              {bare(t, linux, nil), "no NVIDIA driver"},
		"one that fails":         {withGPU(bare(t, linux, nil), ""), "NVIDIA-SMI has failed"},
		"one that is too old":    {withGPU(bare(t, linux, nil), "Tesla T4, 535.1, 7.5\n"), "driver 535.1"},
		"an answer that is none": {withGPU(bare(t, linux, nil), "No devices were found\n"), "names no GPU"},
		"an answer of blanks":    {withGPU(bare(t, linux, nil), " , , \n"), "names no GPU"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			_, err := c.m.find(t.Context(), entry(t, "cuda"), Options{CacheDir: cache})
			require.ErrorContains(t, err, c.says)
			assert.Equal(t, fault.Missing, fault.KindOf(err))
			left, err := os.ReadDir(cache)
			require.NoError(t, err)
			assert.Empty(t, left)
			_, next, ok := c.m.state(t.Context(), entry(t, "cuda"), Options{CacheDir: cache})
			assert.False(t, ok)
			assert.Contains(t, next, "install NVIDIA's driver")
		})
	}
}

func TestASoftwareGPUIsTakenOnlyWhereSomebodyAskedForIt(t *testing.T) {
	const chromium, loader = "usr/lib/chromium/vk_swiftshader_icd.json", "usr/lib/x86_64-linux-gnu/libvulkan.so.1"
	cache := t.TempDir()
	m := bare(t, linux, nil, loader, chromium)
	_, err := m.find(t.Context(), entry(t, "webgpu"), Options{CacheDir: cache, RefuseSoftwareDevice: true})
	require.ErrorContains(t, err, "SwiftShader), which nobody asked for")
	require.Equal(t, fault.Missing, fault.KindOf(err))
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, left, "nothing was fetched")
	m = bare(t, linux, map[string]string{"VK_ICD_FILENAMES": filepath.Join(m.root, chromium)}, loader, chromium)
	_, err = m.find(t.Context(), entry(t, "webgpu"), Options{CacheDir: cache, RefuseSoftwareDevice: true})
	require.ErrorContains(t, err, "npm", "named, it is taken, and only npm is missing on this bare machine")
}

func TestTheGPUThatCUDAWouldTakeIsAskedFor(t *testing.T) {
	m := bare(t, linux, map[string]string{"CUDA_VISIBLE_DEVICES": "2,0"})
	var asked []string
	m.lookPath = func(string) (string, error) { return "nvidia-smi", nil }
	m.output = func(_ context.Context, _ string, args ...string) ([]byte, error) {
		asked = args
		return []byte("A, 590.1, 9.0\nB, 590.1, 8.0\n"), nil
	}
	r, err := m.request(entry(t, "cuda"), Options{})
	require.NoError(t, err)
	d, _, err := r.device(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "A", d.Name)
	assert.Contains(t, asked, "--id=2")
}

func TestADriverWithoutItsToolIsReadFromTheKernel(t *testing.T) {
	m := bare(t, linux, nil)
	file := put(t, filepath.Join(m.root, "proc/driver/nvidia/version"))
	require.NoError(t, os.WriteFile(file, []byte("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:13:52 UTC 2025\nGCC version:  gcc 12.2.0\n"), 0o600))
	r, err := m.request(entry(t, "cuda"), Options{})
	require.NoError(t, err)
	d, _, err := r.device(t.Context())
	require.NoError(t, err)
	assert.Equal(t, providers.Device{Name: "NVIDIA GPU", Vendor: "NVIDIA", Driver: "580.65.06"}, d)
	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o600))
	_, _, err = r.device(t.Context())
	assert.ErrorContains(t, err, "names no driver")
}

func TestVulkanIsTheDriverThatItsLoaderWouldTake(t *testing.T) {
	const loader, chromium = "usr/lib/x86_64-linux-gnu/libvulkan.so.1", "usr/lib/chromium/vk_swiftshader_icd.json"
	swift := providers.Device{Name: "SwiftShader", Software: true}
	for name, c := range map[string]struct {
		files  []string
		env    map[string]string
		device providers.Device
		sets   []string // with ROOT for the machine's root
		says   string
	}{
		"nothing":                       {nil, nil, providers.Device{}, nil, "libvulkan.so.1 is not installed"},
		"a driver without the loader":   {[]string{chromium}, nil, providers.Device{}, nil, "libvulkan.so.1 is not installed"},
		"the loader without a driver":   {[]string{loader}, nil, providers.Device{}, nil, "no Vulkan driver"},
		"SwiftShader":                   {[]string{loader, chromium}, nil, swift, []string{"XDG_RUNTIME_DIR=" + os.TempDir(), "VK_ICD_FILENAMES=ROOT/" + chromium}, ""},
		"SwiftShader, in a session":     {[]string{loader, chromium}, map[string]string{"XDG_RUNTIME_DIR": "/run"}, swift, []string{"VK_ICD_FILENAMES=ROOT/" + chromium}, ""},
		"a GPU's driver comes first":    {[]string{loader, chromium, "usr/share/vulkan/icd.d/radeon_icd.x86_64.json"}, nil, providers.Device{Name: "Vulkan driver radeon"}, nil, ""},
		"Mesa's driver on the CPU":      {[]string{loader, "etc/vulkan/icd.d/lvp_icd.json"}, nil, providers.Device{Name: "llvmpipe", Software: true}, nil, ""},
		"one that the user names":       {[]string{loader, chromium}, map[string]string{"VK_DRIVER_FILES": "/dev/null"}, providers.Device{Name: "Vulkan driver null"}, []string{"XDG_RUNTIME_DIR=" + os.TempDir()}, ""},
		"one that is not where it says": {[]string{loader, chromium}, map[string]string{"VK_ICD_FILENAMES": "/nowhere.json"}, providers.Device{}, nil, "VK_ICD_FILENAMES names /nowhere.json"},
	} {
		t.Run(name, func(t *testing.T) {
			m := bare(t, linux, c.env, c.files...)
			r, err := m.request(entry(t, "webgpu"), Options{})
			require.NoError(t, err)
			d, env, err := r.device(t.Context())
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
				assert.ErrorContains(t, err, "apt-get install libvulkan1 chromium")
				assert.Equal(t, fault.Missing, fault.KindOf(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.device, d)
			var want []string
			for _, s := range c.sets {
				want = append(want, strings.Replace(s, "ROOT", m.root, 1))
			}
			assert.Equal(t, want, env)
		})
	}
}

// Untested on hardware: what sysctl says on a Mac is written down from its
// documentation.
func TestTheProcessorIsNamed(t *testing.T) {
	m := bare(t, linux, nil)
	put(t, filepath.Join(m.root, "proc/cpuinfo"))
	require.NoError(t, os.WriteFile(filepath.Join(m.root, "proc/cpuinfo"), []byte("processor\t: 0\nmodel name\t: AMD EPYC 9R14\n"), 0o600))
	r := request{machine: m, entry: entry(t, "cpu")}
	assert.Equal(t, "AMD EPYC 9R14", r.cpu(t.Context()).Name)
	r.machine = bare(t, linux, nil)
	assert.Equal(t, "amd64 CPU", r.cpu(t.Context()).Name)
	r.machine = bare(t, mac, nil)
	assert.Equal(t, "Apple arm64", r.cpu(t.Context()).Name)
	r.output = func(context.Context, string, ...string) ([]byte, error) { return []byte("Apple M3 Max\n\x1b[31m"), nil }
	assert.Equal(t, providers.Device{Name: "Apple M3 Max", Vendor: "Apple"}, r.cpu(t.Context()))
}

func FuzzNVIDIA(f *testing.F) {
	f.Add("NVIDIA H100 80GB HBM3, 580.65.06, 9.0\n")
	f.Add(",,")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseSMI([]byte(s)); err == nil && (d.Name == "" || d.Driver == "") {
			t.Errorf("%+v", d)
		}
		_, _ = kernelModule([]byte(s))
	})
}
