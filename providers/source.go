package providers

import (
	"cmp"
	"slices"
)

// Origin is how a runtime's library reaches a machine.
type Origin string

// The ways in which a library reaches a machine.
const (
	FromWheel Origin = "wheel" // Python wheels, in an environment made from hashed requirements
	FromNPM   Origin = "npm"   // a package of the npm registry, fetched with npm
)

// Source says where a provider's runtime library comes from and which of its
// files are needed on which platform.
type Source struct {
	Origin    Origin
	Package   string // as its registry names it
	Version   string // exact
	Runtime   string // the runtime's version, where it is not the package's
	Integrity string // npm: "sha512-…" of the tarball; wheels are pinned in Env's requirements
	Size      string // npm: of what is fetched, for people
	Env       string // wheels: the environment, made from scripts/requirements/requirements-<Env>.txt
	Files     []PlatformFiles
}

// PlatformFiles is what one platform needs of a package. Paths are slash-separated and
// relative to the package's root (npm) or to site-packages (wheels); wheels'
// paths may be globs.
type PlatformFiles struct {
	On      Platform
	Library string   // the runtime's shared library
	SHA256  []string // of its builds that are pinned; none: its digest does not identify it
	Beside  []string // npm: files that must lie in the library's own folder
	Plugin  string   // a provider library to register with the runtime
	// Preload is what the library or its provider loads by a bare name, in the
	// order in which it must be loaded. One that the environment does not have
	// is left to the system's own loader.
	Preload []string
}

// RuntimeVersion is the version that the runtime's library says it has.
func (s Source) RuntimeVersion() string { return cmp.Or(s.Runtime, s.Version) }

// FilesFor returns what platform p needs of the source.
func (s Source) FilesFor(p Platform) (PlatformFiles, bool) {
	for _, x := range s.Files {
		if x.On.covers(p) {
			return x, true
		}
	}
	return PlatformFiles{}, false
}

// Proof is how a provider's device is identified before a session opens, so that
// evidence can say on what it was measured.
type Proof string

// The ways of identifying a device.
const (
	ProofCPU    Proof = "cpu"        // the operating system's name for the processor
	ProofApple  Proof = "apple"      // the chip's name; CoreML's compute plan says which of its devices computed
	ProofNVIDIA Proof = "nvidia-smi" // the driver's own tool
	ProofVulkan Proof = "vulkan"     // which Vulkan driver answers
	ProofIntel  Proof = "intel"      // an Intel processor or GPU, then the devices that the runtime lists
	ProofEP     Proof = "ep-device"  // the devices that the runtime lists, when a session opens
)

var (
	linuxAMD64   = Platform{"linux", "amd64"}
	darwinARM64  = Platform{"darwin", "arm64"}
	windowsAMD64 = Platform{"windows", "amd64"}
	windowsARM64 = Platform{"windows", "arm64"}
)

// runWheel is ONNX Runtime's own wheel: CPU everywhere, CoreML on macOS.
var runWheel = Source{
	Origin: FromWheel, Package: "onnxruntime", Version: "1.32.0", Env: "export",
	Files: []PlatformFiles{
		{On: Platform{OS: "linux"}, Library: "onnxruntime/capi/libonnxruntime.so*", SHA256: slices.Concat(wheelLinuxAMD64, wheelLinuxARM64)},
		{On: Platform{OS: "darwin"}, Library: "onnxruntime/capi/libonnxruntime*.dylib", SHA256: wheelDarwinARM64},
		{On: Platform{OS: "windows"}, Library: "onnxruntime/capi/onnxruntime.dll", SHA256: slices.Concat(wheelWindowsAMD64, wheelWindowsARM64)},
	},
}

// nodePackage is ONNX Runtime for Node.js: the only published build with WebGPU
// inside, and on Windows with DirectML too.
func nodePackage(files ...PlatformFiles) Source {
	return Source{
		Origin: FromNPM, Package: "onnxruntime-node", Version: "1.30.0",
		Integrity: "sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==",
		Size:      "114 MB",
		Files:     files,
	}
}

// cudaWheel is the CUDA 13 build. The order of what is preloaded is that of
// the wheel's own preload_dlls: cublasLt before cublas, which needs it. On
// Linux cuDNN loads its other libraries itself; on Windows they must be loaded
// first.
func cudaWheel(linux, windows []string) Source {
	return Source{
		Origin: FromWheel, Package: "onnxruntime-gpu", Version: "1.31.1", Env: "cuda",
		Files: []PlatformFiles{
			{On: linuxAMD64, Library: "onnxruntime/capi/libonnxruntime.so*", SHA256: gpuLinuxAMD64, Preload: append([]string{
				"nvidia/cu13/lib/libcublasLt.so.13",
				"nvidia/cu13/lib/libcublas.so.13",
				"nvidia/cu13/lib/libnvrtc.so.13",
				"nvidia/cu13/lib/libcurand.so.10",
				"nvidia/cu13/lib/libcufft.so.12",
				"nvidia/cu13/lib/libcudart.so.13",
				"nvidia/cudnn/lib/libcudnn.so.9",
			}, linux...)},
			{On: windowsAMD64, Library: "onnxruntime/capi/onnxruntime.dll", Preload: append([]string{
				"nvidia/cu13/bin/x86_64/cublasLt64_13.dll",
				"nvidia/cu13/bin/x86_64/cublas64_13.dll",
				"nvidia/cu13/bin/x86_64/cufft64_12.dll",
				"nvidia/cu13/bin/x86_64/cudart64_13.dll",
				"nvidia/cudnn/bin/cudnn_engines_runtime_compiled64_9.dll",
				"nvidia/cudnn/bin/cudnn_engines_precompiled64_9.dll",
				"nvidia/cudnn/bin/cudnn_heuristic64_9.dll",
				"nvidia/cudnn/bin/cudnn_ops64_9.dll",
				"nvidia/cudnn/bin/cudnn_adv64_9.dll",
				"nvidia/cudnn/bin/cudnn_graph64_9.dll",
				"nvidia/cudnn/bin/cudnn64_9.dll",
				"nvidia/cudnn/bin/cudnn_engines_tensor_ir64_9.dll",
			}, windows...)},
		},
	}
}
