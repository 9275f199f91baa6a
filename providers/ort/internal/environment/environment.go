// Package environment holds what ONNX Runtime has once in a process: the loaded
// library, its plugins, its telemetry, and the cores for which its sessions
// compete. It must not know models, batches or how a session runs.
package environment

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/capi"
)

// Library is what the process loaded.
type Library struct {
	Path      string // symlinks resolved
	API       capi.API
	SHA256    string
	Version   string
	Available []string // providers that the library was built with
}

// process mirrors state that ONNX Runtime and onnxruntime_go keep for the whole
// process: one environment, and the sessions that compete for its cores. It is
// the one mutable global of this package, because they are.
var process struct {
	sync.Mutex
	loaded       *Library
	plugins      map[string]string // registered provider libraries: name → path
	openSessions int
	spinning     bool // whether one of them spins
}

// Load loads a library and the libraries it needs, unless this process has done
// so already.
func Load(lib providers.Library) (Library, error) {
	path := lib.Path
	process.Lock()
	defer process.Unlock()
	if path == "" {
		return Library{}, missingLibrary(path, nil)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Library{}, missingLibrary(path, err)
	}
	if l := process.loaded; l != nil {
		if l.Path != real {
			return Library{}, &fault.Error{
				Kind:   fault.Usage,
				Thing:  "ONNX Runtime library " + filepath.Base(path),
				Got:    "a second library in one process: " + real,
				Wanted: "the one that is loaded, " + l.Path,
				Next:   "open it in a process of its own",
			}
		}
		return *l, nil
	}
	id, err := files.HashFile(real)
	if err != nil {
		return Library{}, missingLibrary(path, err)
	}
	if err := checkComplete(real); err != nil {
		return Library{}, brokenLibrary(path, err)
	}
	if err := disableTelemetry(); err != nil {
		return Library{}, err
	}
	if err := prepareProcess(lib); err != nil {
		return Library{}, err
	}
	ort.SetSharedLibraryPath(real)
	// Errors reach the caller as errors; ONNX Runtime's own log of them, and
	// of every cancelled run, would only be noise on stderr.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return Library{}, brokenLibrary(path, err)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return Library{}, fmt.Errorf("switch off ONNX Runtime's telemetry: %w", err)
	}
	l := Library{Path: real, SHA256: id.SHA256, Version: ort.GetVersion()}
	if l.API, err = capi.Open(real); err != nil {
		return Library{}, brokenLibrary(path, err)
	}
	if l.Available, err = l.API.BuiltInProviders(); err != nil {
		return Library{}, fmt.Errorf("list ONNX Runtime's providers: %w", err)
	}
	slices.Sort(l.Available)
	process.loaded = &l
	return l, nil
}

// prepareProcess does what must be done in a process before the library is loaded.
func prepareProcess(lib providers.Library) error {
	for _, kv := range lib.Env {
		// A child process has these from its parent. Where the same process opens
		// the session they are set here, before anything has read them.
		if name, value, ok := strings.Cut(kv, "="); ok && os.Getenv(name) != value {
			if err := os.Setenv(name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	for _, path := range lib.Preload {
		if err := capi.Preload(path); err != nil {
			return &fault.Error{Kind: fault.Missing, Thing: filepath.Base(path), Got: "a library that does not load",
				Wanted: "one of the libraries that " + filepath.Base(lib.Path) + " needs beside it",
				Next:   "embedgate doctor says where it was looked for", Err: err}
		}
	}
	return nil
}

func missingLibrary(path string, err error) error {
	got := "a file that cannot be read"
	if errors.Is(err, fs.ErrNotExist) {
		got = "no such file"
	}
	if path == "" {
		got = "no path"
	}
	return &fault.Error{
		Kind: fault.Missing, Thing: "ONNX Runtime library", Got: got, Wanted: "the path of libonnxruntime",
		Next: "embedgate doctor says which library is used and how to get it", Err: err,
	}
}

func brokenLibrary(path string, err error) error {
	return &fault.Error{
		Kind: fault.Missing, Thing: "ONNX Runtime library " + filepath.Base(path),
		Got: "a file that does not load", Wanted: "the ONNX Runtime library of this platform, 1.29 or later",
		Next: "embedgate doctor says which library is used and how to get it", Err: err,
	}
}

// checkComplete refuses an ELF file that is shorter than its headers say: the
// dynamic linker maps it unchecked, and an incomplete download ends the process
// by SIGBUS. Other formats are checked by their own linkers.
func checkComplete(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := file.ReadAt(magic, 0); err != nil || string(magic) != elf.ELFMAG {
		return nil
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("an incomplete download: %w", err) // the section table is at the end
	}
	for _, p := range f.Progs {
		if end := p.Off + p.Filesz; end < p.Off || end > uint64(st.Size()) {
			return fmt.Errorf("an incomplete download: %d bytes of at least %d", st.Size(), end)
		}
	}
	return nil
}

// AcquireCores counts an open session and decides whether it spins: as asked
// or, by default, when it has several threads and no other session is open.
// Under a quota a session does not spin by default, because spinning uses up the
// processor time that the quota allows.
func AcquireCores(asked *bool, threads int, quota float64) (spin bool, err error) {
	process.Lock()
	defer process.Unlock()
	spin = threads > 1 && process.openSessions == 0 && quota == 0
	if asked != nil {
		spin = *asked
	}
	if spin && process.spinning {
		return false, &fault.Error{
			Kind: fault.Usage, Thing: "session option spinning",
			Got: "true while another spinning session is open", Wanted: "one spinning session at a time",
			Next: "close the other session, or leave spinning out",
		}
	}
	process.openSessions++
	process.spinning = process.spinning || spin
	return spin, nil
}

// ReleaseCores undoes AcquireCores when a session closes.
func ReleaseCores(spun bool) {
	process.Lock()
	defer process.Unlock()
	process.openSessions--
	if spun {
		process.spinning = false
	}
}
