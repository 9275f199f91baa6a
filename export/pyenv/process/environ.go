package process

import (
	"os"
	"slices"
	"strings"
)

// Environ is the process environment for a Python that embedgate starts. Of the variables of
// Python, pip and uv it has those alone that say where packages come from and
// how they are reached. The others install elsewhere, choose other packages, or
// change what a program computes and prints.
func Environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !Passes(name)
	})
	// ONNX Runtime sends events to Microsoft and queues them on disk unless
	// this is set; see package providers/ort.
	return append(env, "PYTHONNOUSERSITE=1", "PYTHONUTF8=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "ORT_DISABLE_TELEMETRY=1")
}

// PipSettings are the settings by which pip finds packages, as a variable has them
// behind PIP_.
var PipSettings = []string{
	"INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "PROXY", "CERT", "CLIENT_CERT",
	"TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "KEYRING_PROVIDER", "CACHE_DIR", "NO_CACHE_DIR",
}

// uvSettings are uv's, behind UV_.
var uvSettings = []string{
	"DEFAULT_INDEX", "INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "INDEX_STRATEGY", "FIND_LINKS", "NO_INDEX", "INSECURE_HOST",
	"NATIVE_TLS", "SYSTEM_CERTS", "HTTP_TIMEOUT", "REQUEST_TIMEOUT", "HTTP_RETRIES", "KEYRING_PROVIDER", "OFFLINE", "CACHE_DIR", "NO_CACHE",
	"LINK_MODE", "CONCURRENT_DOWNLOADS", "CONCURRENT_INSTALLS",
}

// Passes reports whether Environ keeps a variable.
func Passes(name string) bool {
	switch name {
	case "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__", "ORT_DISABLE_TELEMETRY":
		return false
	case "PYTHONHASHSEED", "PYTHONUNBUFFERED", "PIP_CONFIG_FILE":
		return true
	}
	if s, ok := strings.CutPrefix(name, "PIP_"); ok {
		return slices.Contains(PipSettings, s)
	}
	if s, ok := strings.CutPrefix(name, "UV_"); ok {
		// UV_INDEX_COMPANY_USERNAME belongs to the index that UV_INDEX names.
		return slices.Contains(uvSettings, s) || strings.HasPrefix(s, "INDEX_") && (strings.HasSuffix(s, "_USERNAME") || strings.HasSuffix(s, "_PASSWORD"))
	}
	return !strings.HasPrefix(name, "PYTHON")
}
