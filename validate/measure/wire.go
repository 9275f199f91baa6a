package measure

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// A child talks to its parent in lines on stdout. A runtime may print there
// too, in the middle of a line even, so each of ours starts on a new line with
// a prefix, is written by one call, and all others are thrown away.
const notePrefix = "\x1eembedgate "

// maxLine is the longest line that a parent keeps.
const maxLine = 16 << 10

// note is one thing a child says. The parent's clock times its arrival.
type note struct {
	Stage string `json:"stage,omitempty"` // what begins: "load", "vectors", "latency"
	First bool   `json:"first,omitempty"` // the first vector is there

	Message     string `json:"message,omitempty"`
	Done, Total int64  `json:",omitempty"`
	Unit        string `json:"unit,omitempty"`
}

// teller sends notes. It may be used from several goroutines.
type teller struct {
	mu sync.Mutex
	w  io.Writer
}

// tell sends n. A parent that is gone is noticed elsewhere.
func (t *teller) tell(n note) {
	b, err := json.Marshal(n)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.w.Write([]byte("\n" + notePrefix + string(b) + "\n"))
}

// hearer is a child's stdout, seen from its parent.
type hearer struct {
	line []byte
	long bool
	hear func(note)
}

// Write takes what the child printed, in pieces of any size.
func (h *hearer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, end := bytes.Cut(p, []byte("\n"))
		if len(h.line)+len(part) > maxLine {
			h.long = true
		} else if !h.long {
			h.line = append(h.line, part...)
		}
		if end {
			h.flush()
		}
		p = rest
	}
	return n, nil
}

func (h *hearer) flush() {
	if b, ok := bytes.CutPrefix(h.line, []byte(notePrefix)); ok && !h.long {
		var n note
		if json.Unmarshal(b, &n) == nil {
			h.hear(n)
		}
	}
	h.line, h.long = h.line[:0], false
}
