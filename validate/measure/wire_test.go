package measure

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
	say := &teller{w: &out}
	out.WriteString("half a line")
	say.tell(note{Stage: "load"})
	out.WriteString(strings.Repeat("long ", maxLine))
	say.tell(note{First: true})
	out.WriteString(notePrefix + "{broken\n\x00\xff")
	say.tell(note{Message: "texts", Done: 1, Total: 2, Unit: "texts"})

	for name, piece := range map[string]int{"byte by byte": 1, "in small pieces": 7, "at once": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var got []note
			h := &hearer{hear: func(n note) { got = append(got, n) }}
			for b := out.Bytes(); len(b) > 0; b = b[min(piece, len(b)):] {
				n, err := h.Write(b[:min(piece, len(b))])
				require.NoError(t, err)
				require.Equal(t, min(piece, len(b)), n)
			}
			assert.Equal(t, []note{{Stage: "load"}, {First: true}, {Message: "texts", Done: 1, Total: 2, Unit: "texts"}}, got)
		})
	}
}

func TestTheSignalIsReadFromTheGoRuntimesReport(t *testing.T) {
	head := strings.Repeat("a log line\n", 1000)
	for _, c := range []struct{ name, stderr, signal, first, kept string }{
		{"in C code", "SIGSEGV: segmentation violation\nPC=0x48b8a0 m=0 sigcode=1 addr=0x0\nsignal arrived during cgo execution\n", "SIGSEGV", "", "cgo execution"},
		{"an abort", "terminate called after throwing\nSIGABRT: abort\nPC=0x7f\n", "SIGABRT", "terminate", "SIGABRT"},
		{"in Go code", "panic: runtime error: nil\n[signal SIGSEGV: segmentation violation code=0x1]\n", "SIGSEGV", "panic", "SIGSEGV"},
		{"after much talk", head + "SIGBUS: bus error\nPC=1\n" + head, "SIGBUS", "", "PC=1"},
		{"only mentioned", "will send SIGKILL: soon\nlast words\n", "", "will", "last words"},
		{"nothing but talk", head + "last words", "", "", "last words"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, piece := range []int{1, 100, 1 << 20} {
				var d deathbed
				for s := c.stderr; s != ""; s = s[min(piece, len(s)):] {
					_, err := d.Write([]byte(s[:min(piece, len(s))]))
					require.NoError(t, err)
				}
				assert.Equal(t, c.signal, d.signal)
				assert.Contains(t, d.last(), c.kept)
				assert.True(t, strings.HasPrefix(d.last(), c.first))
				assert.LessOrEqual(t, len(d.last()), keepStderr)
			}
		})
	}
}

func FuzzAChildsOutputNeverHarmsItsParent(f *testing.F) {
	f.Add([]byte("\n" + notePrefix + `{"stage":"load"}` + "\n"))
	f.Add([]byte("SIGSEGV: segmentation violation\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &hearer{hear: func(note) {}}
		d := &deathbed{}
		r := iotest.HalfReader(bytes.NewReader(b))
		buf := make([]byte, 64)
		for {
			n, err := r.Read(buf)
			_, _ = h.Write(buf[:n])
			_, _ = d.Write(buf[:n])
			if err != nil {
				break
			}
		}
		assert.LessOrEqual(t, len(h.line), maxLine)
		assert.LessOrEqual(t, len(d.tail), keepStderr)
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
		{"a fault of the session", fromSession(full), fault.Missing, false},
		{"a plain error", errors.New("disk full"), fault.Internal, false},
		{"a plain error of the session", fromSession(errors.New("no memory")), fault.Internal, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := lastWordsOf(c.err)
			assert.Equal(t, c.kind, fault.KindOf(w.err()))
			assert.Equal(t, c.finding, w.finding())
			if c.kind == fault.Missing {
				assert.Equal(t, full.Error(), w.err().Error())
			} else {
				assert.Equal(t, c.err.Error(), w.err().Error())
			}
		})
	}
	assert.NoError(t, fromSession(nil))
}
