package protocol

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// A child talks to its parent in lines on stdout. A runtime may print there
// too, in the middle of a line even, so each of ours starts on a new line with
// a prefix and is written by one call. All other lines are thrown away.
const MessagePrefix = "\x1eembedgate "

// maxLine is the longest line that a parent keeps.
const maxLine = 16 << 10

// Message is a message of a child. The parent's clock times its arrival.
type Message struct {
	Stage string `json:"stage,omitempty"` // what begins: "load", "vectors", "latency"
	First bool   `json:"first,omitempty"` // the first vector is there

	Message     string `json:"message,omitempty"`
	Done, Total int64  `json:",omitempty"`
	Unit        string `json:"unit,omitempty"`
}

// MessageWriter sends messages. It may be used from several goroutines.
type MessageWriter struct {
	mu sync.Mutex
	W  io.Writer
}

// Write sends n. A failure is ignored: a parent that is gone is noticed elsewhere.
func (t *MessageWriter) Write(n Message) {
	b, err := json.Marshal(n)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.W.Write([]byte("\n" + MessagePrefix + string(b) + "\n"))
}

// MessageReader is a child's stdout, seen from its parent.
type MessageReader struct {
	line   []byte
	long   bool
	Handle func(Message)
}

// Write takes what the child printed, in pieces of any size.
func (h *MessageReader) Write(p []byte) (int, error) {
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

func (h *MessageReader) flush() {
	if b, ok := bytes.CutPrefix(h.line, []byte(MessagePrefix)); ok && !h.long {
		var n Message
		if json.Unmarshal(b, &n) == nil {
			h.Handle(n)
		}
	}
	h.line, h.long = h.line[:0], false
}
