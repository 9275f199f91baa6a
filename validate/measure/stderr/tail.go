package stderr

import (
	"bytes"
	"regexp"
	"strings"
)

// keepStderr is how much of a child's stderr goes into the evidence.
const keepStderr = 4 << 10

// signalLine is how the Go runtime names the signal that ends a process: it
// catches a SIGSEGV of the runtime below it, prints this, and exits with 2, so
// the exit status alone would hide the signal. Both forms of its report:
//
//	SIGSEGV: segmentation violation                                (in C code)
//	[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 …]   (in Go code)
var signalLine = regexp.MustCompile(`^(?:\[signal )?(SIG[A-Z0-9]{2,10}): `)

// Tail is a child's stderr, seen from its parent. It keeps the last lines,
// or, where a crash report begins, the report's head: its end is registers and
// sleeping goroutines, its head says where it happened.
type Tail struct {
	tail   []byte // the last keepStderr bytes, or all since the report began
	line   []byte // the line being written, as far as the pattern can look
	Signal string
}

// Write takes what the child printed, in pieces of any size.
func (d *Tail) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, end := bytes.Cut(rest, []byte("\n"))
		if room := 64 - len(d.line); room > 0 {
			d.line = append(d.line, part[:min(room, len(part))]...)
		}
		d.keep(rest[:len(rest)-len(after)])
		if end {
			d.lookForSignal()
			d.line = d.line[:0]
		}
		rest = after
	}
	return len(p), nil
}

// lookForSignal checks a finished line for the report's beginning.
func (d *Tail) lookForSignal() {
	if d.Signal != "" {
		return
	}
	if m := signalLine.FindSubmatch(d.line); m != nil {
		d.Signal = string(m[1])
		// Keep a few lines before it: a Go panic's message comes first.
		if len(d.tail) > keepStderr/4 {
			d.tail = d.tail[len(d.tail)-keepStderr/4:]
		}
	}
}

func (d *Tail) keep(p []byte) {
	if d.Signal != "" {
		d.tail = append(d.tail, p[:min(len(p), max(0, keepStderr-len(d.tail)))]...)
		return
	}
	d.tail = append(d.tail, p...)
	if over := len(d.tail) - keepStderr; over > 0 {
		d.tail = append(d.tail[:0], d.tail[over:]...)
	}
}

// Text is what was kept, as text.
func (d *Tail) Text() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(d.tail), "\uFFFD"))
}
