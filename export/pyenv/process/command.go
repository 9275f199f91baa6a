// Package process starts the programs that make and use the Python
// environments: Python, pip, uv, npm and the build scripts. It decides which
// variables they see, how they end, and what an error shows of their output. It
// must not know what they do.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/embedgate/embedgate/internal/procgroup"
)

// interruptGrace is how long a child may take to end itself after SIGINT.
const interruptGrace = 5 * time.Second

// Command prepares a child that gets SIGINT, with its whole process group, when
// ctx ends, and SIGKILL five seconds later.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = Environ()
	c.WaitDelay = interruptGrace + time.Second // then its pipes are closed, even if a grandchild holds them
	procgroup.InterruptOnCancel(c, interruptGrace)
	return c
}

// Tail is a writer that keeps the last bytes written to it, for error messages.
type Tail struct{ buf []byte }

const tailBytes = 16 << 10

// Write keeps the end of what was written.
func (t *Tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b[max(0, len(b)-2*tailBytes):]...)
	if len(t.buf) > 2*tailBytes {
		t.buf = bytes.Clone(t.buf[len(t.buf)-tailBytes:])
	}
	return len(b), nil
}

// Lines returns the last n lines that are not blank, as valid UTF-8.
func (t *Tail) Lines(n int) string {
	var lines []string
	for l := range strings.Lines(strings.ToValidUTF8(string(t.buf), "?")) {
		if l = strings.TrimRight(l, "\r\n "); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Run runs a command and makes its failure readable.
func Run(ctx context.Context, name string, args ...string) error {
	return Finish(ctx, Command(ctx, name, args...))
}

// Finish runs a prepared command to its end and makes its failure readable.
func Finish(ctx context.Context, c *exec.Cmd) error {
	var tail Tail
	c.Stdout, c.Stderr = &tail, &tail
	err := c.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%s: %w; its last lines:\n%s", shortCommand(c.Path, c.Args[1:]), err, tail.Lines(12))
	}
	return err
}

// shortCommand is a command as a person would name it: "python -m pip install".
func shortCommand(name string, args []string) string {
	words := []string{filepath.Base(name)}
	for _, a := range args {
		if a == "-I" {
			continue
		}
		if strings.HasPrefix(a, "-") && a != "-m" || len(words) == 5 || filepath.IsAbs(a) {
			break
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
