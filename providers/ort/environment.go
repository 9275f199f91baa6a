package ort

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
)

// library is what the process loaded.
type library struct {
	path      string // symlinks resolved
	api       capi
	sha256    string
	version   string
	available []string // providers that the library was built with
}

// process mirrors state that ONNX Runtime and onnxruntime_go keep for the whole
// process: one environment, and the sessions that compete for its cores. It is
// the one mutable global of this package, because they are.
var process struct {
	sync.Mutex
	loaded   *library
	plugins  map[string]string // registered provider libraries: name → path
	live     int               // open sessions
	spinning bool              // whether one of them spins
}

// load loads a library with what goes with it, or finds it loaded already.
func load(lib providers.Library) (library, error) {
	path := lib.Path
	process.Lock()
	defer process.Unlock()
	if path == "" {
		return library{}, missingLibrary(path, nil)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return library{}, missingLibrary(path, err)
	}
	if l := process.loaded; l != nil {
		if l.path != real {
			return library{}, &fault.Error{
				Kind:   fault.Usage,
				Thing:  "ONNX Runtime library " + filepath.Base(path),
				Got:    "a second library in one process: " + real,
				Wanted: "the one that is loaded, " + l.path,
				Next:   "open it in a process of its own",
			}
		}
		return *l, nil
	}
	id, err := files.HashFile(real)
	if err != nil {
		return library{}, missingLibrary(path, err)
	}
	if err := checkWhole(real); err != nil {
		return library{}, brokenLibrary(path, err)
	}
	if err := silence(); err != nil {
		return library{}, err
	}
	if err := prepare(lib); err != nil {
		return library{}, err
	}
	ort.SetSharedLibraryPath(real)
	// Errors reach the caller as errors; ONNX Runtime's own log of them, and
	// of every cancelled run, would only be noise on stderr.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return library{}, brokenLibrary(path, err)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return library{}, fmt.Errorf("switch off ONNX Runtime's telemetry: %w", err)
	}
	l := library{path: real, sha256: id.SHA256, version: ort.GetVersion()}
	if l.api, err = openAPI(real); err != nil {
		return library{}, brokenLibrary(path, err)
	}
	if l.available, err = l.api.builtIn(); err != nil {
		return library{}, fmt.Errorf("list ONNX Runtime's providers: %w", err)
	}
	slices.Sort(l.available)
	process.loaded = &l
	return l, nil
}

// prepare does what must be done in a process before the library is loaded.
func prepare(lib providers.Library) error {
	for _, kv := range lib.Env {
		// The parent has set these; an Open in the same process sets them late,
		// but before anything has read them.
		if name, value, ok := strings.Cut(kv, "="); ok && os.Getenv(name) != value {
			if err := os.Setenv(name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	for _, path := range lib.Preload {
		if err := preload(path); err != nil {
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

// checkWhole refuses an ELF file that ends before it says it does: the dynamic
// linker maps it unchecked, and half a download ends the process by SIGBUS.
// Other formats are left to their own linkers.
func checkWhole(path string) error {
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
		return fmt.Errorf("a download that was cut: %w", err) // the section table is at the end
	}
	for _, p := range f.Progs {
		if end := p.Off + p.Filesz; end < p.Off || end > uint64(st.Size()) {
			return fmt.Errorf("a download that was cut: %d bytes of at least %d", st.Size(), end)
		}
	}
	return nil
}

// enter counts a session in and decides whether it spins: as asked, or, where
// nobody asked, when it has threads to keep busy and the cores to itself. Under
// a quota spinning is paid for with the time to compute in.
func enter(asked *bool, threads int, quota float64) (spin bool, err error) {
	process.Lock()
	defer process.Unlock()
	spin = threads > 1 && process.live == 0 && quota == 0
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
	process.live++
	process.spinning = process.spinning || spin
	return spin, nil
}

// leave counts a session out.
func leave(spun bool) {
	process.Lock()
	defer process.Unlock()
	process.live--
	if spun {
		process.spinning = false
	}
}
