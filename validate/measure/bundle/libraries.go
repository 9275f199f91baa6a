package bundle

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/providers"
)

// Shared libraries that lie beside the runtime's own and belong to it: its
// folder may be the system's, which holds much else. A plugin's folder is its
// package's, and all libraries there are its own.
var (
	runtimePatterns = []string{"libonnxruntime*.so*", "libonnxruntime*.dylib", "onnxruntime*.dll", "DirectML.dll", "dxcompiler.dll", "dxil.dll", "libwebgpu_dawn*", "libdxc*"}
	pluginPatterns  = []string{"lib*.so*", "*.dylib", "*.dll"}
	// What NVIDIA's libraries open by themselves lies beside them.
	preloadPatterns = []string{
		"libcudnn*.so*", "libcublas*.so*", "libcudart*.so*", "libcufft*.so*", "libcurand*.so*", "libnvrtc*.so*", "libnvJitLink*.so*",
		"cudnn*.dll", "cublas*.dll", "cudart*.dll", "cufft*.dll", "curand*.dll", "nvrtc*.dll", "nvJitLink*.dll",
	}
)

// libraryFiles lists what a process needs to open l, each once. Put in one folder,
// they are found there again: a library that the user names has its plugin and
// what is loaded first looked for beside it.
func libraryFiles(l providers.Library) ([]string, error) {
	all := []string{l.Path}
	add := func(f string) {
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	beside := func(file string, patterns []string) error {
		for _, pattern := range patterns {
			found, err := filepath.Glob(filepath.Join(globEscape(filepath.Dir(file)), pattern))
			if err != nil {
				return err
			}
			for _, f := range found {
				add(f)
			}
		}
		return nil
	}
	if err := beside(l.Path, runtimePatterns); err != nil {
		return nil, err
	}
	if l.Plugin != "" {
		add(l.Plugin)
		if err := beside(l.Plugin, pluginPatterns); err != nil {
			return nil, err
		}
	}
	for _, f := range l.Preload {
		// One without a folder is left to the other machine's own.
		if filepath.IsAbs(f) {
			add(f)
			if err := beside(f, preloadPatterns); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// globEscape keeps a folder's name from being read as a pattern.
func globEscape(dir string) string {
	return strings.NewReplacer(`[`, `[[]`, `*`, `[*]`, `?`, `[?]`).Replace(path.Clean(filepath.ToSlash(dir)))
}
