package providers

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Runtime names what executes a provider's sessions.
type Runtime string

// ONNXRuntime is ONNX Runtime, opened by providers/ort.
const ONNXRuntime Runtime = "onnxruntime"

// Attach is how a runtime adds a provider to a session. A runtime's package has
// one small function for each way; the catalogue says which one an entry takes.
type Attach string

// The ways in which ONNX Runtime takes a provider.
const (
	AttachNone     Attach = ""         // always there, last in the list: the CPU
	AttachByName   Attach = "name"     // SessionOptionsAppendExecutionProvider(Key, options)
	AttachCUDA     Attach = "cuda"     // CUDA's own options structure
	AttachTensorRT Attach = "tensorrt" // TensorRT's own options structure, then CUDA's
	AttachCoreML   Attach = "coreml"   // CoreML's own options call
	AttachPlugin   Attach = "plugin"   // a plugin library, then its devices
)

// Copy is a way of copying tensors to a device's memory and back.
type Copy string

// The ways of copying to a device. To the host's memory no provider needs one.
const (
	CopyRuntime Copy = "runtime" // ONNX Runtime's own CopyTensors, where it knows the device without a plugin
	CopyCUDA    Copy = "cuda"    // cudaMemcpy of the CUDA runtime that is loaded for the provider
)

// Platform is one operating system and architecture, in Go's names. An empty
// Arch means every architecture of that system.
type Platform struct{ OS, Arch string }

// String renders "linux/amd64", or "linux" for every architecture.
func (p Platform) String() string {
	if p.Arch == "" {
		return p.OS
	}
	return p.OS + "/" + p.Arch
}

func (p Platform) covers(q Platform) bool {
	return p.OS == q.OS && (p.Arch == "" || p.Arch == q.Arch)
}

// Entry is one provider of the catalogue. It is data: a new provider is a new
// entry, and nothing outside the catalogue compares provider names.
type Entry struct {
	Name      string            // in policy, evidence and on the command line: "coreml"
	Title     string            // for people: "CoreML"
	Runtime   Runtime           // what opens its sessions
	EP        string            // its name in the runtime's own record: "CoreMLExecutionProvider"
	Attach    Attach            // how the runtime adds it to a session
	Key       string            // the name it is attached by, for AttachByName
	Source    Source            // where its runtime library comes from
	Platforms []Platform        // where it can run at all; none: everywhere
	Needs     string            // what a machine must have, in plain words
	Remedy    string            // what to do on a machine that does not have it
	Proof     Proof             // how its device is identified
	Disabled  []string          // graph optimizers that measurement says to leave out
	Options   map[string]string // the provider's own options, before the policy's
	Recorded  map[string]string // further options of a recorded session
	// Plan is of a provider that may compute on the CPU by itself; nil: it cannot.
	Plan *DevicePlan
	// Copy is the way to the provider's own memory, which Options.IOBinding
	// needs; empty: none is known.
	Copy Copy
	// Captures are options that make the device capture a graph and repeat it.
	// They need Options.IOBinding.
	Captures []string
	// NoMemoryPattern is for a provider that refuses sessions with the runtime's
	// memory pattern planning.
	NoMemoryPattern bool
}

// Catalogue is every provider that embedgate knows, in the order in which
// tables show them. Do not change it while the program runs.
var Catalogue = []Entry{
	{
		Name: "cpu", Title: "CPU", Runtime: ONNXRuntime, EP: "CPUExecutionProvider",
		Source: runWheel, Needs: "nothing beyond ONNX Runtime", Remedy: "measure on Linux, macOS or Windows, amd64 or arm64",
		Proof: ProofCPU,
		// ONNX Runtime 1.32's SkipLayerNormalization kernel is slower on the
		// CPU than LayerNormalization and Add: 11 to 14 % of a text's time.
		Disabled: []string{"SkipLayerNormFusion"},
	},
	{
		Name: "coreml", Title: "CoreML", Runtime: ONNXRuntime, EP: "CoreMLExecutionProvider",
		Attach: AttachCoreML, Source: runWheel,
		Platforms: []Platform{darwinARM64},
		Needs:     "macOS 14.4 or later on Apple silicon",
		Remedy:    "measure coreml on a Mac with Apple silicon and gate its evidence here",
		Proof:     ProofApple,
		// The old format has no LayerNormalization, and shapes that change leave
		// whole subgraphs on the CPU. The GPU is the default device: a policy may
		// ask for the neural engine (CPUAndNeuralEngine, ALL).
		Options: map[string]string{
			"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU", "RequireStaticInputShapes": "1",
		},
		Recorded: map[string]string{"ProfileComputePlan": "1"},
		// The values are those of ONNX Runtime's option, the devices CoreML's
		// MLComputeUnits. Apple's log goes to stderr where it is asked to.
		Plan: &DevicePlan{
			Option: "MLComputeUnits",
			Wanted: map[string][]string{
				"CPUOnly": {"cpu"}, "CPUAndGPU": {"gpu"}, "CPUAndNeuralEngine": {"ane"}, "ALL": {"gpu", "ane"},
			},
			Env: []string{"CFLOG_FORCE_STDERR=YES", "OS_ACTIVITY_DT_MODE=YES"},
		},
	},
	{
		Name: "cuda", Title: "CUDA", Runtime: ONNXRuntime, EP: "CUDAExecutionProvider",
		Attach: AttachCUDA, Source: cudaWheel(nil, nil),
		Platforms: []Platform{linuxAMD64, windowsAMD64},
		Needs:     "an NVIDIA GPU with a driver for CUDA 13 (580 or later) on Linux or Windows, amd64",
		Remedy:    "measure cuda on a machine with an NVIDIA GPU and gate its evidence here",
		Proof:     ProofNVIDIA,
		// TF32 is on by default in ONNX Runtime and is a class of its own here.
		Options: map[string]string{"use_tf32": "0"},
		Copy:    CopyCUDA, Captures: []string{"enable_cuda_graph"},
	},
	{
		Name: "tensorrt", Title: "TensorRT", Runtime: ONNXRuntime, EP: "TensorrtExecutionProvider",
		Attach: AttachTensorRT,
		Source: cudaWheel(
			[]string{"tensorrt_libs/libnvinfer.so.10", "tensorrt_libs/libnvinfer_plugin.so.10", "tensorrt_libs/libnvonnxparser.so.10"},
			[]string{"tensorrt_libs/nvinfer_10.dll", "tensorrt_libs/nvinfer_plugin_10.dll", "tensorrt_libs/nvonnxparser_10.dll"}),
		Platforms: []Platform{linuxAMD64, windowsAMD64},
		Needs:     "an NVIDIA GPU with a driver for CUDA 13 (580 or later) and TensorRT 10 on Linux or Windows, amd64",
		Remedy:    "measure tensorrt on a machine with an NVIDIA GPU and gate its evidence here",
		Proof:     ProofNVIDIA,
		Copy:      CopyCUDA, Captures: []string{"trt_cuda_graph_enable"},
	},
	{
		Name: "directml", Title: "DirectML", Runtime: ONNXRuntime, EP: "DmlExecutionProvider",
		Attach: AttachByName, Key: "DML",
		Source: nodePackage(
			PlatformFiles{On: windowsAMD64, Library: "bin/napi-v6/win32/x64/onnxruntime.dll", SHA256: nodeWindowsAMD64,
				Beside: []string{"bin/napi-v6/win32/x64/DirectML.dll", "bin/napi-v6/win32/x64/dxcompiler.dll", "bin/napi-v6/win32/x64/dxil.dll"}},
			PlatformFiles{On: windowsARM64, Library: "bin/napi-v6/win32/arm64/onnxruntime.dll", SHA256: nodeWindowsARM64,
				Beside: []string{"bin/napi-v6/win32/arm64/DirectML.dll", "bin/napi-v6/win32/arm64/dxcompiler.dll", "bin/napi-v6/win32/arm64/dxil.dll"}},
		),
		Platforms: []Platform{windowsAMD64, windowsARM64},
		Needs:     "Windows 10 or later with a DirectX 12 GPU",
		Remedy:    "measure directml on a Windows machine and gate its evidence here",
		Proof:     ProofEP, NoMemoryPattern: true,
		Options:  map[string]string{"device_id": "0"},
		Captures: []string{"enable_graph_capture", "ep.dml.enable_graph_capture"},
	},
	{
		Name: "openvino", Title: "OpenVINO", Runtime: ONNXRuntime, EP: "OpenVINOExecutionProvider",
		Attach: AttachPlugin,
		Source: Source{
			Origin: FromWheel, Package: "onnxruntime-ep-openvino", Version: "1.8.1", Env: "openvino", Runtime: "1.32.0",
			Files: []PlatformFiles{
				{On: linuxAMD64, Library: "onnxruntime/capi/libonnxruntime.so*", SHA256: wheelLinuxAMD64,
					Plugin: "onnxruntime_ep_openvino/libonnxruntime_providers_openvino_plugin.so"},
				{On: windowsAMD64, Library: "onnxruntime/capi/onnxruntime.dll", SHA256: wheelWindowsAMD64,
					Plugin: "onnxruntime_ep_openvino/onnxruntime_providers_openvino_plugin.dll"},
			},
		},
		Platforms: []Platform{linuxAMD64, windowsAMD64},
		Needs:     "an Intel CPU, GPU or NPU on Linux or Windows, amd64",
		Remedy:    "measure openvino on an Intel machine and gate its evidence here",
		Proof:     ProofIntel,
	},
	{
		Name: "webgpu", Title: "WebGPU", Runtime: ONNXRuntime, EP: "WebGpuExecutionProvider",
		Attach: AttachByName, Key: "WebGPU",
		Source: nodePackage(
			PlatformFiles{On: linuxAMD64, Library: "bin/napi-v6/linux/x64/libonnxruntime.so.1", SHA256: nodeLinuxAMD64},
			PlatformFiles{On: darwinARM64, Library: "bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib", SHA256: nodeDarwinARM64},
			PlatformFiles{On: windowsAMD64, Library: "bin/napi-v6/win32/x64/onnxruntime.dll", SHA256: nodeWindowsAMD64,
				Beside: []string{"bin/napi-v6/win32/x64/DirectML.dll", "bin/napi-v6/win32/x64/dxcompiler.dll", "bin/napi-v6/win32/x64/dxil.dll"}},
		),
		Platforms: []Platform{linuxAMD64, darwinARM64, windowsAMD64},
		Needs:     "a GPU with a Vulkan, Metal or DirectX 12 driver (SwiftShader counts) on Linux, macOS or Windows",
		Remedy:    "measure webgpu on such a machine and gate its evidence here",
		Proof:     ProofVulkan,
		// An encoder has nothing that a layout could speed up, and with the other
		// one ONNX Runtime 1.30's record of assigned nodes leaves WebGPU's out.
		Options: map[string]string{"preferredLayout": "NCHW"},
		Copy:    CopyRuntime, Captures: []string{"enableGraphCapture"},
	},
}

// Lookup returns the entry of that name.
func Lookup(name string) (Entry, bool) {
	for _, e := range Catalogue {
		if e.Name == name {
			return e, true
		}
	}
	return Entry{}, false
}

// Names returns every provider's name in the catalogue's order.
func Names() []string {
	names := make([]string, len(Catalogue))
	for i, e := range Catalogue {
		names[i] = e.Name
	}
	return names
}

// Available says whether the provider can run on this kind of machine at all
// and, where it cannot, why and what to do. It looks at the platform only:
// whether a device answers is known when a session opens.
func (e Entry) Available() (reason, remedy string, ok bool) {
	return e.AvailableOn(Platform{runtime.GOOS, runtime.GOARCH})
}

// AvailableOn is Available for a machine of platform p.
func (e Entry) AvailableOn(p Platform) (reason, remedy string, ok bool) {
	if len(e.Platforms) > 0 && !slices.ContainsFunc(e.Platforms, func(q Platform) bool { return q.covers(p) }) {
		return fmt.Sprintf("needs %s; this machine is %s", e.Needs, p), e.Remedy, false
	}
	if _, ok := e.Source.FilesFor(p); !ok {
		return fmt.Sprintf("%s %s has no build for %s", e.Source.Package, e.Source.Version, p), e.Remedy, false
	}
	return "", "", true
}

// KnownNames is the sentence part for an error about an unknown provider.
func KnownNames() string { return "one of " + strings.Join(Names(), ", ") }
