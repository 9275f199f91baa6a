// Package pyscript runs one of the embedded Python scripts and reads the line
// protocol on its stdout: progress events, then one manifest. It must not know
// what a script does.
package pyscript

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/scripts"
)

// Exit codes of a script that the user can do something about.
const (
	exitUsage   = 2 // the input cannot be used
	exitMissing = 4 // this machine or its network lacks something
)

// Options says what to run.
type Options struct {
	Python   string
	Script   string // slash path in package scripts
	Args     []string
	Env      []string // added to the child's environment
	Progress progress.Sink

	files fs.FS // the scripts; nil: the embedded ones (tests bring their own)
}

// Run runs the script and returns its manifest line. A script that fails is an
// error with the last lines of its stderr; exit code 2 is a fault of kind
// Usage, 4 of kind Missing. When ctx ends the script's process group is
// interrupted, and ctx's error returned.
func Run(ctx context.Context, o Options) (json.RawMessage, error) {
	dir, err := cache.TempDir("embedgate-scripts-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.files == nil {
		o.files = scripts.FS
	}
	if err := os.CopyFS(dir, o.files); err != nil {
		return nil, err
	}
	name := path.Base(o.Script)
	inner, stop := context.WithCancel(ctx)
	defer stop()
	c := process.Command(inner, o.Python, append([]string{filepath.Join(dir, filepath.FromSlash(o.Script))}, o.Args...)...)
	c.Env = append(c.Env, o.Env...)
	var tail process.Tail
	out := reader{progress: o.Progress, stop: stop}
	c.Stdout, c.Stderr = &out, &tail
	err = c.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case out.err != nil:
		return nil, fmt.Errorf("%s: %w; its last lines:\n%s", name, out.err, tail.Lines(8))
	case err != nil:
		return nil, failure(name, err, &tail)
	}
	manifest, err := out.end()
	if err != nil {
		return nil, fmt.Errorf("%s: %w; its last lines:\n%s", name, err, tail.Lines(8))
	}
	return manifest, nil
}

// failure turns a script's end into an error. A script writes what is wrong in
// its last line that begins with "error: "; the lines before it are for whoever
// looks for a bug.
func failure(script string, err error, tail *process.Tail) error {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return &fault.Error{Kind: fault.Missing, Thing: script, Wanted: "a Python to run it", Err: err, Next: "see embedgate doctor"}
	}
	lines := tail.Lines(12)
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		next := "report the lines above"
		if ws.Signal() == syscall.SIGKILL {
			next = "close other programs: the kernel kills so when memory runs out"
		}
		return &fault.Error{Kind: fault.Internal, Thing: script, Got: "killed by " + ws.Signal().String(), Wanted: "a manifest", Err: errors.New(lastLines(lines)), Next: next}
	}
	e := &fault.Error{Kind: fault.Internal, Thing: script, Err: fmt.Errorf("%w; %s", err, lastLines(lines))}
	message := lines
	if i := strings.LastIndex("\n"+lines, "\nerror: "); i >= 0 {
		message = strings.TrimPrefix(lines[i:], "error: ")
	}
	switch exit.ExitCode() {
	case exitUsage:
		e.Kind, e.Err = fault.Usage, errors.New(message)
	case exitMissing:
		e.Kind, e.Err = fault.Missing, errors.New(message)
	}
	return e
}

func lastLines(lines string) string {
	if lines == "" {
		return "it wrote nothing to stderr"
	}
	return "its last lines:\n" + lines
}
