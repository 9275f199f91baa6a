package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

// Var is the environment variable that names a provider's runtime library:
// EMBEDGATE_WEBGPU_LIB.
func Var(e providers.Entry) string { return "EMBEDGATE_" + strings.ToUpper(e.Name) + "_LIB" }

// request is one provider on one machine.
type request struct {
	machine
	entry providers.Entry
	files providers.PlatformFiles
	o     Options
}

func (m machine) request(e providers.Entry, o Options) (request, error) {
	if reason, remedy, ok := e.AvailableOn(m.platform); !ok {
		return request{}, &fault.Error{Kind: fault.Missing, Thing: "provider " + e.Name, Got: reason, Next: remedy}
	}
	files, ok := e.Source.FilesFor(m.platform)
	if !ok {
		return request{}, fmt.Errorf("provider %s: no build for %s", e.Name, m.platform) // AvailableOn has checked it
	}
	return request{m, e, files, o}, nil
}

func (m machine) find(ctx context.Context, e providers.Entry, o Options) (providers.Library, error) {
	r, err := m.request(e, o)
	if err != nil {
		return providers.Library{}, err
	}
	// The device first: without one, a library is fetched for nothing.
	device, env, err := r.device(ctx)
	if err != nil {
		return providers.Library{}, err
	}
	if o.RefuseSoftwareDevice && device.Software && driverIsDefault(env) {
		return providers.Library{}, &fault.Error{
			Kind: fault.Missing, Thing: "provider " + e.Name,
			Got: "no GPU, only a software one (" + device.Name + "), which nobody asked for", Wanted: "a GPU and its driver",
			Next: "measure it all the same with --providers cpu," + e.Name + "; it takes minutes",
		}
	}
	lib, err := r.library(ctx)
	if err != nil {
		return providers.Library{}, err
	}
	lib.Device, lib.Env = device, env
	return lib, nil
}

// driverIsDefault reports whether the driver is one that the user did not name.
func driverIsDefault(env []string) bool {
	return slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, icdVar+"=") })
}

// library finds the files.
func (r request) library(ctx context.Context) (providers.Library, error) {
	file, from := r.override()
	switch {
	case file != "":
		return r.userLibrary(file, from)
	case r.entry.Source.Origin == providers.FromNPM:
		return r.npm(ctx)
	}
	env, err := pyenv.Ensure(ctx, pyenv.Options{Kind: pyenv.Kind(r.entry.Source.Env), Own: true, CacheDir: r.o.CacheDir, Progress: r.o.Progress})
	if err != nil {
		return providers.Library{}, err
	}
	return r.inFolders([]string{env.Site()}, "the "+r.entry.Source.Env+" environment")
}

// override is a library that the user named, and how.
func (r request) override() (file, from string) {
	if r.o.Override != "" {
		return r.o.Override, "--ort-lib"
	}
	if v := Var(r.entry); r.getenv(v) != "" {
		return r.getenv(v), v
	}
	if r.entry.Source.Env == string(pyenv.Export) {
		return r.getenv(pyenv.OrtLibVar), pyenv.OrtLibVar
	}
	return "", ""
}

// userLibrary returns a library that the user named. Its plugin and what it
// needs are looked for where its package would have them, and beside it.
func (r request) userLibrary(file, from string) (providers.Library, error) {
	if i, err := os.Stat(file); err != nil || !i.Mode().IsRegular() {
		return providers.Library{}, &fault.Error{Kind: fault.Missing, Thing: file, Got: "no such file",
			Wanted: "ONNX Runtime's shared library", Err: err, Next: "correct " + from + ", or leave it out to use the pinned one"}
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return providers.Library{}, err
	}
	root := filepath.Dir(abs)
	for range strings.Count(r.files.Library, "/") {
		root = filepath.Dir(root)
	}
	return r.complete(abs, []string{root}, from)
}

// inFolders finds the platform's files below one of some folders of packages.
func (r request) inFolders(roots []string, where string) (providers.Library, error) {
	lib, ok := findFile(roots, r.files.Library)
	if !ok {
		return providers.Library{}, &fault.Error{Kind: fault.Missing, Thing: "provider " + r.entry.Name,
			Got: "no " + r.files.Library + " in " + where, Wanted: r.entry.Source.Package + " " + r.entry.Source.Version,
			Next: "install it there, or name its library in " + Var(r.entry)}
	}
	return r.complete(lib, roots, where)
}

// complete completes a library with its plugin and the libraries to load first.
func (r request) complete(file string, roots []string, where string) (providers.Library, error) {
	lib := providers.Library{Path: file}
	if r.files.Plugin != "" {
		p, ok := findFile(append(roots, filepath.Dir(file)), r.files.Plugin, path.Base(r.files.Plugin))
		if !ok {
			return lib, &fault.Error{Kind: fault.Missing, Thing: "provider " + r.entry.Name,
				Got: "no " + path.Base(r.files.Plugin) + " in " + where, Wanted: r.entry.Source.Package + " " + r.entry.Source.Version,
				Next: "install it there, or leave " + where + " out: embedgate then makes its own environment"}
		}
		lib.Plugin = p
	}
	for _, pre := range r.files.Preload {
		if p, ok := findFile(append(roots, filepath.Dir(file)), pre, path.Base(pre)); ok {
			lib.Preload = append(lib.Preload, p)
		} else {
			lib.Preload = append(lib.Preload, path.Base(pre))
		}
	}
	return lib, nil
}

// findFile returns the first file below one of the roots that matches a glob.
func findFile(roots []string, globs ...string) (string, bool) {
	for _, root := range roots {
		for _, g := range globs {
			m, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(g)))
			for _, f := range m {
				if i, serr := os.Stat(f); err == nil && serr == nil && i.Mode().IsRegular() {
					return f, true
				}
			}
		}
	}
	return "", false
}

func (m machine) state(ctx context.Context, e providers.Entry, o Options) (found, next string, ok bool) {
	r, err := m.request(e, o)
	if err != nil {
		return describeError(err)
	}
	device, _, err := r.device(ctx)
	if err != nil {
		return describeError(err)
	}
	on := ""
	if device.Name != "" {
		on = " on " + device.Name
	}
	file, from := r.override()
	switch {
	case file != "":
		lib, err := r.userLibrary(file, from)
		if err != nil {
			return describeError(err)
		}
		return lib.Path + on, "", true
	case r.entry.Source.Origin == providers.FromNPM:
		if lib, ok := r.cached(); ok {
			return lib.Path + on, "", true
		}
		if _, err := r.npmProgram(); err != nil {
			return describeError(err)
		}
	default:
		dir, err := pyenv.State(ctx, pyenv.Options{Kind: pyenv.Kind(r.entry.Source.Env), Own: true, CacheDir: r.o.CacheDir})
		if err == nil {
			return dir + on, "", true
		}
		if fault.KindOf(err) == fault.Missing {
			return describeError(err)
		}
	}
	return fmt.Sprintf("%s %s is not here yet: the first measurement fetches it%s", r.entry.Source.Package, r.entry.Source.Version, on), "", true
}

// describeError is an error as doctor shows it.
func describeError(err error) (found, next string, ok bool) {
	if f, is := errors.AsType[*fault.Error](err); is {
		found = f.Got
		if f.Wanted != "" {
			found += ", wanted " + f.Wanted
		}
		return found, f.Next, false
	}
	return err.Error(), "", false
}
