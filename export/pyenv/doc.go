// Package pyenv makes and finds the Python environments: a small one that
// exports the models that embedgate knows and whose wheel carries ONNX
// Runtime's library, and a large one with PyTorch, for all else. An environment
// is keyed by the hash of its requirements, made under a lock, and made again
// when it is broken. The package must not know what is run inside, nor which
// provider wants which. Its pip installs, process starts programs, and pyscript
// runs the scripts.
package pyenv

import "github.com/embedgate/embedgate/internal/progress"

// Kind is which environment.
type Kind string

// The environments. Each is made from scripts/requirements/requirements-<kind>.txt.
const (
	Export    Kind = "export"    // numpy, onnx, onnxruntime, tokenizers, safetensors
	Reference Kind = "reference" // torch, transformers, sentence-transformers, and what Export has
	CUDA      Kind = "cuda"      // onnxruntime-gpu's wheel and NVIDIA's libraries
	OpenVINO  Kind = "openvino"  // onnxruntime's wheel and OpenVINO's plugin
)

// Variables that override an environment.
const (
	PythonVar = "EMBEDGATE_PYTHON"
	OrtLibVar = "EMBEDGATE_ORT_LIB"
)

// kindInfo is what the program must know of an environment beyond its
// requirements.
type kindInfo struct {
	noDeps  bool              // the requirements leave dependencies out on purpose
	large   bool              // uv installs it: pip takes minutes
	disk    string            // about how much it takes
	why     string            // shown while it installs
	files   []string          // globs under site-packages: one file each must be there
	modules map[string]string // what scripts import → the distribution it comes in
}

var kinds = map[Kind]kindInfo{
	Export: {
		noDeps: true, disk: "150 MB",
		why:   "ONNX Runtime and what writes ONNX files, about 65 MB to fetch and 150 MB on disk, once",
		files: []string{"onnxruntime/capi/*onnxruntime.*"},
		modules: map[string]string{
			"numpy": "numpy", "onnx": "onnx", "onnxruntime": "onnxruntime", "safetensors": "safetensors", "tokenizers": "tokenizers",
		},
	},
	CUDA: {
		noDeps: true, large: true, disk: "4 GB",
		why: "ONNX Runtime for CUDA and NVIDIA's libraries, about 2 GB to fetch, once",
		files: []string{
			"onnxruntime/capi/*onnxruntime.*", "onnxruntime/capi/*onnxruntime_providers_cuda.*",
			"nvidia/cu13/*/*cublasLt*", "nvidia/cudnn/*/*cudnn*",
		},
	},
	OpenVINO: {
		noDeps: true, disk: "250 MB",
		why:   "OpenVINO's provider and ONNX Runtime's library, about 75 MB to fetch, once",
		files: []string{"onnxruntime/capi/*onnxruntime.*", "onnxruntime_ep_openvino/*onnxruntime_providers_openvino_plugin.*"},
	},
	Reference: {
		large: true, disk: "5 GB",
		why: "PyTorch, transformers and their ONNX exporter; on Linux PyTorch brings its CUDA libraries, about 2.5 GB to fetch and 5 GB on disk; once, minutes",
		modules: map[string]string{
			"torch": "torch", "transformers": "transformers", "sentence_transformers": "sentence-transformers",
			"tokenizers": "tokenizers", "safetensors": "safetensors", "numpy": "numpy",
			"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime",
		},
	},
}

// Options says which environment is wanted.
type Options struct {
	Kind     Kind
	CacheDir string // "": cache.Dir()
	// Override is an interpreter to use as it is. Empty: $EMBEDGATE_PYTHON for
	// Export and Reference; then an environment is made.
	Override string
	// Own takes embedgate's own environment, also where the user named another:
	// for ONNX Runtime's library, whose version is pinned.
	Own      bool
	Progress progress.Sink
}

// Env is an environment that is ready.
type Env struct {
	Kind   Kind
	Dir    string // "" for an interpreter that the user named
	Python string // its interpreter
	Hash   string // of requirements, Python version and platform; for an interpreter that the user named, of the libraries' versions
}
