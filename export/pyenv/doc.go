// Package pyenv makes and finds the Python environments: a small one whose
// wheel carries ONNX Runtime's library, and the large one that exports models
// and makes golden vectors. An environment is keyed by the hash of its
// requirements, made under a lock, and made again when it is broken. The
// package must not know what is run inside, nor which provider wants which.
package pyenv

import "github.com/embedgate/embedgate/pipeline/progress"

// Kind is which environment.
type Kind string

// The environments. Each is made from scripts/requirements-<kind>.txt.
const (
	Run      Kind = "run"      // onnxruntime's wheel and nothing else
	CUDA     Kind = "cuda"     // onnxruntime-gpu's wheel and NVIDIA's libraries
	OpenVINO Kind = "openvino" // onnxruntime's wheel and OpenVINO's plugin
	Export   Kind = "export"   // torch, transformers, sentence-transformers, onnx
)

// Variables that override an environment.
const (
	PythonVar = "EMBEDGATE_PYTHON"
	OrtLibVar = "EMBEDGATE_ORT_LIB"
)

// facts is what the program must know of an environment beyond its
// requirements.
type facts struct {
	noDeps  bool              // the requirements leave dependencies out on purpose
	why     string            // said while it installs
	files   []string          // globs under site-packages: one file each must be there
	modules map[string]string // what scripts import → the distribution it comes in
}

var about = map[Kind]facts{
	Run: {
		noDeps: true,
		why:    "ONNX Runtime's library, about 20 MB to fetch, once",
		files:  []string{"onnxruntime/capi/*onnxruntime.*"},
	},
	CUDA: {
		noDeps: true,
		why:    "ONNX Runtime for CUDA and NVIDIA's libraries, about 2 GB to fetch, once",
		files: []string{
			"onnxruntime/capi/*onnxruntime.*", "onnxruntime/capi/*onnxruntime_providers_cuda.*",
			"nvidia/cu13/*/*cublasLt*", "nvidia/cudnn/*/*cudnn*",
		},
	},
	OpenVINO: {
		noDeps: true,
		why:    "OpenVINO's provider and ONNX Runtime's library, about 75 MB to fetch, once",
		files:  []string{"onnxruntime/capi/*onnxruntime.*", "onnxruntime_ep_openvino/*onnxruntime_providers_openvino_plugin.*"},
	},
	Export: {
		why: "PyTorch, transformers and the ONNX exporter; on Linux PyTorch brings its CUDA libraries, about 5 GB on disk; once, a minute or more",
		modules: map[string]string{
			"torch": "torch", "transformers": "transformers", "sentence_transformers": "sentence-transformers",
			"tokenizers": "tokenizers", "safetensors": "safetensors", "huggingface_hub": "huggingface-hub", "numpy": "numpy",
			"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime",
		},
	},
}

// Options says which environment is wanted.
type Options struct {
	Kind     Kind
	CacheDir string // "": cache.Dir()
	// Override is an interpreter to use as it is. Empty: $EMBEDGATE_PYTHON for
	// Export; then an environment is made.
	Override string
	Progress progress.Sink
}

// Env is an environment that is ready.
type Env struct {
	Kind   Kind
	Dir    string // "" where an interpreter was given
	Python string // its interpreter
	Hash   string // of requirements, Python version and platform; of the libraries' versions where an interpreter was given
}
