package hostile_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/tools/bench/hostile"
)

const held = 200 * hostile.MiB

var kept []byte

var example = []hostile.Case{
	hostile.File("small", "a", func() []byte { return []byte("x") }, func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil || string(b) != "x" {
			panic("not what was made")
		}
		return errors.New("refused\nat once")
	}),
	hostile.Bytes("large and slow", func() []byte { return make([]byte, held) }, func([]byte) error {
		kept = bytes.Repeat([]byte{1}, held)
		time.Sleep(50 * time.Millisecond)
		return nil
	}),
}

func BenchmarkHostileExample(b *testing.B) { hostile.Bench(b, example...) }

// The first is small although the measuring process holds much. The second does
// not include the memory for making its file.
func TestACaseIsMeasuredByItself(t *testing.T) {
	mine := bytes.Repeat([]byte{1}, held)
	small := hostile.Measure(t, "BenchmarkHostileExample", example[0])
	assert.Equal(t, "refused at once", small.Error)
	assert.Less(t, small.Peak, int64(held))
	assert.Greater(t, small.Peak, int64(hostile.MiB))
	assert.Less(t, small.Seconds, 5.0)
	large := hostile.Measure(t, "BenchmarkHostileExample", example[1])
	assert.GreaterOrEqual(t, large.Seconds, 0.05)
	assert.Greater(t, large.Peak, int64(2*held))
	assert.Len(t, mine, held)
}

func TestFilesAreAsLargeAsAsked(t *testing.T) {
	assert.InDelta(t, hostile.Size, len(hostile.Fill("[", "1,", "1]")), 2)
	assert.Equal(t, "{0 1 2 }", string(hostile.Numbered(14, "{", "%d ", "}")))
}
