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

// Attach is how a runtime is told to use a provider. A runtime's package holds
// one small function per way; the catalogue says which one an entry takes.
type Attach string

// The ways in which ONNX Runtime takes a provider.
const (
	AttachNone   Attach = ""       // always there, last in the list: the CPU
	AttachByName Attach = "name"   // SessionOptionsAppendExecutionProvider(Key, options)
	AttachCUDA   Attach = "cuda"   // CUDA's own options structure
	AttachCoreML Attach = "coreml" // CoreML's own options call
	AttachPlugin Attach = "plugin" // a plugin library, then its devices
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
	Attach    Attach            // how the runtime is told to use it
	Key       string            // the name it is attached by, for AttachByName
	Platforms []Platform        // where it can run at all; none: everywhere
	Needs     string            // what a machine must have, in plain words
	Remedy    string            // what to do on a machine that has not
	Disabled  []string          // graph optimizers that measurement says to leave out
	Options   map[string]string // the provider's own options, before the policy's
	Built     bool              // whether this version of embedgate opens it
}

// Catalogue is every provider that embedgate knows, in the order in which
// tables show them. Do not change it while the program runs.
var Catalogue = []Entry{
	{
		Name: "cpu", Title: "CPU", Runtime: ONNXRuntime, EP: "CPUExecutionProvider",
		Needs: "nothing beyond ONNX Runtime",
		// ONNX Runtime 1.32's SkipLayerNormalization kernel is slower on the
		// CPU than LayerNormalization and Add: 11 to 14 % of a text's time.
		Disabled: []string{"SkipLayerNormFusion"},
		Built:    true,
	},
	{
		Name: "coreml", Title: "CoreML", Runtime: ONNXRuntime, EP: "CoreMLExecutionProvider",
		Attach:    AttachCoreML,
		Platforms: []Platform{{"darwin", "arm64"}},
		Needs:     "macOS 14 or later on Apple silicon",
		Remedy:    "measure coreml on a Mac with Apple silicon and gate its evidence here",
	},
	{
		Name: "cuda", Title: "CUDA", Runtime: ONNXRuntime, EP: "CUDAExecutionProvider",
		Attach:    AttachCUDA,
		Platforms: []Platform{{"linux", "amd64"}, {"windows", "amd64"}},
		Needs:     "an NVIDIA GPU and its driver on Linux or Windows, amd64",
		Remedy:    "measure cuda on a machine with an NVIDIA GPU and gate its evidence here",
	},
	{
		Name: "directml", Title: "DirectML", Runtime: ONNXRuntime, EP: "DmlExecutionProvider",
		Attach: AttachByName, Key: "DML",
		Platforms: []Platform{{"windows", "amd64"}},
		Needs:     "Windows 10 or later, amd64, with a DirectX 12 GPU",
		Remedy:    "measure directml on a Windows machine and gate its evidence here",
	},
	{
		Name: "openvino", Title: "OpenVINO", Runtime: ONNXRuntime, EP: "OpenVINOExecutionProvider",
		Attach:    AttachPlugin,
		Platforms: []Platform{{"linux", "amd64"}, {"windows", "amd64"}},
		Needs:     "an Intel CPU, GPU or NPU on Linux or Windows, amd64",
		Remedy:    "measure openvino on an Intel machine and gate its evidence here",
	},
	{
		Name: "webgpu", Title: "WebGPU", Runtime: ONNXRuntime, EP: "WebGpuExecutionProvider",
		Attach: AttachByName, Key: "WebGPU",
		Platforms: []Platform{{"linux", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}},
		Needs:     "a GPU with a Vulkan, Metal or DirectX 12 driver (SwiftShader counts) on Linux, macOS or Windows",
		Remedy:    "measure webgpu on such a machine and gate its evidence here",
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

// Available says whether this version of embedgate can open the provider on
// this kind of machine and, where it cannot, why and what to do. It looks at
// the platform only: whether a device answers is known when a session opens.
func (e Entry) Available() (reason, remedy string, ok bool) {
	return e.AvailableOn(Platform{runtime.GOOS, runtime.GOARCH})
}

// AvailableOn is Available for a machine of platform p.
func (e Entry) AvailableOn(p Platform) (reason, remedy string, ok bool) {
	if len(e.Platforms) > 0 && !slices.ContainsFunc(e.Platforms, func(q Platform) bool { return q.covers(p) }) {
		return fmt.Sprintf("needs %s; this machine is %s", e.Needs, p), e.Remedy, false
	}
	if !e.Built {
		return "not built into this version of embedgate yet",
			"take " + e.Name + " off the channel's required providers, or use a version that has it", false
	}
	return "", "", true
}

// KnownNames is the sentence part for an error about an unknown provider.
func KnownNames() string { return "one of " + strings.Join(Names(), ", ") }
