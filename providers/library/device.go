package library

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// device identifies what the provider would compute on, and which environment
// variables its process needs for that. A machine without the device is a
// fault.Missing.
func (r request) device(ctx context.Context) (providers.Device, []string, error) {
	switch r.entry.Proof {
	case providers.ProofNVIDIA:
		d, err := r.nvidia(ctx)
		return d, nil, err
	case providers.ProofVulkan:
		if r.platform.OS == "linux" {
			return r.vulkan(ctx)
		}
		return r.apple(ctx), nil, nil // Metal; elsewhere it stays empty
	case providers.ProofApple:
		return r.apple(ctx), nil, nil
	case providers.ProofIntel:
		return providers.Device{}, nil, r.intel()
	case providers.ProofCPU:
		return r.cpu(ctx), nil, nil
	default:
		return providers.Device{}, nil, nil // the session's own list of devices tells
	}
}

// cpu names the processor as the operating system does.
func (r request) cpu(ctx context.Context) providers.Device {
	if r.platform.OS == "darwin" {
		return r.apple(ctx)
	}
	if name := r.getenv("PROCESSOR_IDENTIFIER"); r.platform.OS == "windows" && name != "" {
		return providers.Device{Name: oneLine(name)}
	}
	b, err := os.ReadFile(r.root + "/proc/cpuinfo")
	if err == nil {
		for l := range bytes.Lines(b) {
			if key, value, ok := strings.Cut(string(l), ":"); ok && strings.TrimSpace(key) == "model name" {
				return providers.Device{Name: oneLine(value)}
			}
		}
	}
	return providers.Device{Name: r.platform.Arch + " CPU"}
}

// apple names the chip; empty on other systems.
func (r request) apple(ctx context.Context) providers.Device {
	if r.platform.OS != "darwin" {
		return providers.Device{}
	}
	out, err := r.output(ctx, "/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")
	if err != nil || oneLine(string(out)) == "" {
		return providers.Device{Name: "Apple " + r.platform.Arch, Vendor: "Apple"}
	}
	return providers.Device{Name: oneLine(string(out)), Vendor: "Apple"}
}

// oldestNVIDIA is the first driver that runs CUDA 13.
const oldestNVIDIA = 580

// nvidia asks the driver's own tool, for the GPU that CUDA would take.
func (r request) nvidia(ctx context.Context) (providers.Device, error) {
	missing := func(got string, err error) error {
		return &fault.Error{Kind: fault.Missing, Thing: "provider " + r.entry.Name, Got: got, Wanted: r.entry.Needs,
			Err: err, Next: "install NVIDIA's driver, or " + r.entry.Remedy}
	}
	smi, err := r.lookPath("nvidia-smi")
	if err != nil {
		version, verr := os.ReadFile(r.root + "/proc/driver/nvidia/version")
		if verr != nil {
			return providers.Device{}, missing("no NVIDIA driver (neither nvidia-smi nor /proc/driver/nvidia)", nil)
		}
		d, err := kernelModule(version)
		if err != nil {
			return d, missing(err.Error(), nil)
		}
		return d, r.checkDriver(d, missing)
	}
	args := []string{"--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"}
	// CUDA counts among these; nvidia-smi counts all.
	if first, _, _ := strings.Cut(r.getenv("CUDA_VISIBLE_DEVICES"), ","); strings.TrimSpace(first) != "" {
		args = append(args, "--id="+strings.TrimSpace(first))
	}
	out, err := r.output(ctx, smi, args...)
	if ctx.Err() != nil {
		return providers.Device{}, ctx.Err()
	}
	if err != nil {
		return providers.Device{}, missing("a driver that does not answer ("+oneLine(string(out))+")", err)
	}
	d, err := parseSMI(out)
	if err != nil {
		return d, missing(err.Error(), nil)
	}
	return d, r.checkDriver(d, missing)
}

func (r request) checkDriver(d providers.Device, missing func(string, error) error) error {
	major, _, _ := strings.Cut(d.Driver, ".")
	n, err := strconv.Atoi(major)
	if err != nil || n < oldestNVIDIA {
		return missing("NVIDIA's driver "+d.Driver, nil)
	}
	return nil
}

// parseSMI reads "NVIDIA H100 80GB HBM3, 580.65.06, 9.0", one line a GPU.
func parseSMI(out []byte) (providers.Device, error) {
	first, _, _ := bytes.Cut(out, []byte("\n"))
	if f := strings.Split(string(first), ","); len(f) == 3 {
		d := providers.Device{Name: oneLine(f[0]), Vendor: "NVIDIA", Driver: oneLine(f[1]), Capability: oneLine(f[2])}
		if d.Name != "" && d.Driver != "" {
			return d, nil
		}
	}
	return providers.Device{}, fmt.Errorf("%q from nvidia-smi, which names no GPU", oneLine(string(out)))
}

// kernelModule reads the driver's version where nvidia-smi is not installed:
// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun …".
func kernelModule(version []byte) (providers.Device, error) {
	for _, w := range strings.Fields(string(version)) {
		if strings.Count(w, ".") >= 1 && strings.Trim(w, "0123456789.") == "" {
			return providers.Device{Name: "NVIDIA GPU", Vendor: "NVIDIA", Driver: w}, nil
		}
	}
	return providers.Device{}, fmt.Errorf("%q in /proc/driver/nvidia/version, which names no driver", oneLine(string(version)))
}

// Where Vulkan's loader looks for drivers' descriptions, and where Chromium and
// Chrome install a driver that computes on the CPU.
var (
	driverFolders = []string{"/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/local/etc/vulkan/icd.d"}
	swiftShaders  = []string{"/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib/chromium-browser/vk_swiftshader_icd.json", "/opt/google/chrome/vk_swiftshader_icd.json"}
	loaderFolders = []string{"/usr/lib/*", "/usr/lib", "/usr/lib64", "/lib/*", "/lib", "/lib64", "/usr/local/lib", "/usr/local/lib/*"}
)

// vulkan finds the driver that Vulkan's loader would take and, where there is
// none, SwiftShader.
func (r request) vulkan(ctx context.Context) (providers.Device, []string, error) {
	none := func(got string) error {
		return &fault.Error{Kind: fault.Missing, Thing: "provider " + r.entry.Name, Got: got,
			Wanted: "a GPU's Vulkan driver, or SwiftShader, which computes on the CPU",
			Next:   "install the GPU's driver, or on Debian: apt-get install libvulkan1 chromium; or " + r.entry.Remedy}
	}
	if !r.hasLoader() {
		return providers.Device{}, nil, none("no Vulkan driver: libvulkan.so.1 is not installed")
	}
	for _, name := range []string{"VK_DRIVER_FILES", icdVar} {
		if v := r.getenv(name); v != "" {
			first, _, _ := strings.Cut(v, string(os.PathListSeparator))
			if _, err := os.Stat(first); err != nil {
				return providers.Device{}, nil, none("no Vulkan driver: " + name + " names " + first + ", which is not there")
			}
			return r.driver(ctx, first), r.runtimeDir(), nil
		}
	}
	for _, dir := range driverFolders {
		if m, err := filepath.Glob(r.root + dir + "/*.json"); err == nil && len(m) > 0 {
			return r.driver(ctx, m[0]), nil, nil
		}
	}
	for _, icd := range swiftShaders {
		icd = r.root + icd
		if _, err := os.Stat(icd); err != nil {
			continue
		}
		return r.driver(ctx, icd), append(r.runtimeDir(), icdVar+"="+icd), nil
	}
	return providers.Device{}, nil, none("no Vulkan driver: no description in " + strings.Join(driverFolders[:2], " or ") + ", and no SwiftShader")
}

// icdVar names the drivers that Vulkan's loader takes.
const icdVar = "VK_ICD_FILENAMES"

// runtimeDir is where SwiftShader may write; without it SwiftShader
// writes a warning to stderr.
func (r request) runtimeDir() []string {
	if r.getenv("XDG_RUNTIME_DIR") != "" {
		return nil
	}
	return []string{"XDG_RUNTIME_DIR=" + os.TempDir()}
}

func (r request) hasLoader() bool {
	folders := filepath.SplitList(r.getenv("LD_LIBRARY_PATH"))
	for _, f := range loaderFolders {
		folders = append(folders, r.root+f)
	}
	for _, f := range folders {
		if m, err := filepath.Glob(filepath.Join(f, "libvulkan.so.1")); err == nil && len(m) > 0 {
			return true
		}
	}
	return false
}

// softwareDrivers are the names by which drivers that compute on the CPU
// describe themselves.
var softwareDrivers = map[string]string{"swiftshader": "SwiftShader", "lvp": "llvmpipe"}

// driver identifies the device of a driver's description file.
func (r request) driver(ctx context.Context, icd string) providers.Device {
	base := strings.ToLower(filepath.Base(icd))
	for mark, name := range softwareDrivers {
		if strings.Contains(base, mark) {
			return providers.Device{Name: name, Software: true}
		}
	}
	if strings.Contains(base, "nvidia") {
		if d, err := r.nvidia(ctx); err == nil {
			return d
		}
	}
	name, _, _ := strings.Cut(filepath.Base(icd), ".")
	return providers.Device{Name: "Vulkan driver " + strings.TrimSuffix(name, "_icd")}
}

// oneLine is a program's output as one short line.
func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(strings.ToValidUTF8(s, "?")), "\n")
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, s)
	return strings.TrimSpace(s[:min(len(s), 200)])
}
