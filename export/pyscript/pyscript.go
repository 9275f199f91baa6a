// Package pyscript runs one of the embedded Python scripts and reads the line
// protocol on its stdout: progress events, then one manifest. It must not know
// what a script does.
package pyscript

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/pipeline/progress"
	"github.com/embedgate/embedgate/scripts"
)

// maxLine bounds one line of the protocol.
const maxLine = 16 << 20

// Options says what to run.
type Options struct {
	Python   string
	Script   string // base name in package scripts
	Args     []string
	Env      []string // added to the child's environment
	Progress progress.Sink

	files fs.FS // the scripts; nil: the embedded ones (tests bring their own)
}

// event is one line of the protocol. A manifest's other fields are its
// reader's business.
type event struct {
	Event   string `json:"event"` // "progress" or "manifest"
	Message string `json:"message"`
	Done    int64  `json:"done"`
	Total   int64  `json:"total"`
}

// Run runs the script and returns its manifest line. A script that fails is an
// error with the last lines of its stderr; exit code 2 is a fault of kind
// Usage. When ctx ends the script's process group is interrupted.
func Run(ctx context.Context, o Options) (json.RawMessage, error) {
	dir, err := os.MkdirTemp("", "embedgate-scripts-")
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
	c := pyenv.Command(ctx, o.Python, append([]string{filepath.Join(dir, o.Script)}, o.Args...)...)
	c.Env = append(c.Env, o.Env...)
	var tail pyenv.Tail
	c.Stderr = &tail
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Script, err)
	}
	manifest, protocol := read(out, o.Progress)
	_, _ = io.Copy(io.Discard, out) // a script that talks on must not block
	err = c.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		return nil, failure(o.Script, err, &tail)
	case protocol != nil:
		return nil, fmt.Errorf("%s: %w; its last lines:\n%s", o.Script, protocol, tail.Lines(8))
	}
	return manifest, nil
}

func read(r io.Reader, p progress.Sink) (manifest json.RawMessage, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("got %.80q on stdout, wanted a line of JSON", sc.Text())
		}
		switch e.Event {
		case "progress":
			if e.Total > 0 {
				p.Step(e.Done, e.Total, "steps", "%s", e.Message)
			} else {
				p.Say("%s", e.Message)
			}
		case "manifest":
			manifest = json.RawMessage(strings.Clone(sc.Text()))
		default:
			return nil, fmt.Errorf("got event %q, wanted progress or manifest", e.Event)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if manifest == nil {
		return nil, errors.New("got no manifest, wanted one as the last line")
	}
	return manifest, nil
}

// failure turns a script's end into an error. A script says what is wrong in
// its last line that begins with "error: "; what goes before is for a bug.
func failure(script string, err error, tail *pyenv.Tail) error {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", script, err)
	}
	lines := tail.Lines(12)
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Errorf("%s was killed by %s (out of memory?); its last lines:\n%s", script, ws.Signal(), lines)
	}
	if i := strings.LastIndex("\n"+lines, "\nerror: "); i >= 0 {
		lines = strings.TrimPrefix(lines[i:], "error: ")
	}
	kind := fault.Internal
	if exit.ExitCode() == 2 {
		kind = fault.Usage
	}
	return &fault.Error{Kind: kind, Thing: script, Err: errors.New(lines)}
}
