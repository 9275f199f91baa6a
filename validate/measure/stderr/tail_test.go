package stderr

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
				var d Tail
				for s := c.stderr; s != ""; s = s[min(piece, len(s)):] {
					_, err := d.Write([]byte(s[:min(piece, len(s))]))
					require.NoError(t, err)
				}
				assert.Equal(t, c.signal, d.Signal)
				assert.Contains(t, d.Text(), c.kept)
				assert.True(t, strings.HasPrefix(d.Text(), c.first))
				assert.LessOrEqual(t, len(d.Text()), keepStderr)
			}
		})
	}
}

func FuzzStderrTail(f *testing.F) {
	f.Add([]byte("\n{\n"))
	f.Add([]byte("SIGSEGV: segmentation violation\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &Tail{}
		r := iotest.HalfReader(bytes.NewReader(b))
		buf := make([]byte, 64)
		for {
			n, err := r.Read(buf)
			_, _ = d.Write(buf[:n])
			if err != nil {
				break
			}
		}
		assert.LessOrEqual(t, len(d.tail), keepStderr)
	})
}
