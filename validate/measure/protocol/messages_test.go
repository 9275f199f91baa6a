package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

func TestNotesComeThroughWhateverARuntimePrintsBetweenThem(t *testing.T) {
	var out bytes.Buffer
	say := &MessageWriter{W: &out}
	out.WriteString("half a line")
	say.Write(Message{Stage: "load"})
	out.WriteString(strings.Repeat("long ", maxLine))
	say.Write(Message{First: true})
	out.WriteString(MessagePrefix + "{broken\n\x00\xff")
	say.Write(Message{Message: "texts", Done: 1, Total: 2, Unit: "texts"})

	for name, piece := range map[string]int{"byte by byte": 1, "in small pieces": 7, "at once": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var got []Message
			h := &MessageReader{Handle: func(n Message) { got = append(got, n) }}
			for b := out.Bytes(); len(b) > 0; b = b[min(piece, len(b)):] {
				n, err := h.Write(b[:min(piece, len(b))])
				require.NoError(t, err)
				require.Equal(t, min(piece, len(b)), n)
			}
			assert.Equal(t, []Message{{Stage: "load"}, {First: true}, {Message: "texts", Done: 1, Total: 2, Unit: "texts"}}, got)
		})
	}
}

func FuzzMessageReader(f *testing.F) {
	f.Add([]byte("\n" + MessagePrefix + `{"stage":"load"}` + "\n"))
	f.Add([]byte("SIGSEGV: segmentation violation\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &MessageReader{Handle: func(Message) {}}
		r := iotest.HalfReader(bytes.NewReader(b))
		buf := make([]byte, 64)
		for {
			n, err := r.Read(buf)
			_, _ = h.Write(buf[:n])
			if err != nil {
				break
			}
		}
		assert.LessOrEqual(t, len(h.line), maxLine)
	})
}

func TestAnErrorIsTheSameOnTheOtherSide(t *testing.T) {
	full := &fault.Error{Kind: fault.Missing, Thing: "a", Got: "b", Wanted: "c", Next: "d", Err: errors.New("e")}
	for _, c := range []struct {
		name    string
		err     error
		kind    fault.Kind
		finding bool
	}{
		{"a fault", full, fault.Missing, false},
		{"a wrapped fault", fmt.Errorf("while loading: %w", full), fault.Missing, false},
		{"a fault of the session", FromSession(full), fault.Missing, false},
		{"a plain error", errors.New("disk full"), fault.Internal, false},
		{"a plain error of the session", FromSession(errors.New("no memory")), fault.Internal, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewChildError(c.err)
			assert.Equal(t, c.kind, fault.KindOf(w.AsError()))
			assert.Equal(t, c.finding, w.IsFinding())
			if c.kind == fault.Missing {
				assert.Equal(t, full.Error(), w.AsError().Error())
			} else {
				assert.Equal(t, c.err.Error(), w.AsError().Error())
			}
		})
	}
	assert.NoError(t, FromSession(nil))
}
