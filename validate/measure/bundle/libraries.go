package bundle

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/providers"
)

// Names of shared libraries that belong to the one in whose folder they are. The
// runtime's folder may be a system folder with other libraries. A plugin's
// folder is that of its package, and all libraries there belong to it.
var (
	runtimePatterns = []string{"libonnxruntime*.so*", "libonnxruntime*.dylib", "onnxruntime*.dll", "DirectML.dll", "dxcompiler.dll", "dxil.dll", "libwebgpu_dawn*", "libdxc*"}
	pluginPatterns  = []string{"lib*.so*", "*.dylib", "*.dll"}
	// NVIDIA's libraries open others in their own folder.
	preloadPatterns = []string{
		"libcudnn*.so*", "libcublas*.so*", "libcudart*.so*", "libcufft*.so*", "libcurand*.so*", "libnvrtc*.so*", "libnvJitLink*.so*",
		"cudnn*.dll", "cublas*.dll", "cudart*.dll", "cufft*.dll", "curand*.dll", "nvrtc*.dll", "nvJitLink*.dll",
	}
)

// libraryFiles lists the files that a process needs to open l, each once. All of
// them can be in one folder: for a library that the user names, the plugin and
// the preloaded libraries are searched beside it.
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
		// One without a folder is a library of the other machine.
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
