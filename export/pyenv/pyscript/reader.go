package pyscript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/embedgate/embedgate/internal/progress"
)

// maxLine bounds one line of the protocol.
const maxLine = 16 << 20

// event is one line of the protocol. The caller
// reads a manifest's other fields.
type event struct {
	Event   string `json:"event"` // "progress" or "manifest"
	Message string `json:"message"`
	Done    int64  `json:"done"`
	Total   int64  `json:"total"`
}

// reader is the script's stdout. Anything that is no line of the protocol ends
// the script, which could otherwise write on for minutes.
type reader struct {
	progress progress.Sink
	stop     func()
	rest     []byte // a line that has not ended yet
	manifest json.RawMessage
	err      error
}

// Write takes what the script wrote.
func (r *reader) Write(b []byte) (int, error) {
	r.rest = append(r.rest, b...)
	for r.err == nil {
		line, rest, ended := bytes.Cut(r.rest, []byte("\n"))
		if !ended {
			break
		}
		r.err = r.line(line)
		r.rest = rest
	}
	if r.err == nil && len(r.rest) > maxLine {
		r.err = fmt.Errorf("got a line of over %d bytes on stdout, wanted a line of JSON", maxLine)
	}
	if r.err != nil {
		r.rest = nil
		r.stop()
	}
	return len(b), nil // the pipe is drained, so that the script can end
}

func (r *reader) line(b []byte) error {
	var e event
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("got %.80q on stdout, wanted a line of JSON", b)
	}
	if r.manifest != nil {
		return fmt.Errorf("got %.80q after the manifest, wanted nothing", b)
	}
	switch e.Event {
	case "progress":
		if e.Total > 0 {
			r.progress.Step(e.Done, e.Total, "steps", "%s", e.Message)
		} else {
			r.progress.Say("%s", e.Message)
		}
	case "manifest":
		r.manifest = bytes.Clone(b)
	default:
		return fmt.Errorf("got event %.40q, wanted progress or manifest", e.Event)
	}
	return nil
}

// end returns the manifest of a script that ended well.
func (r *reader) end() (json.RawMessage, error) {
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("got %.80q on stdout without an end of line, wanted a line of JSON", r.rest)
	}
	if r.manifest == nil {
		return nil, errors.New("got no manifest, wanted one as the last line")
	}
	return r.manifest, nil
}
