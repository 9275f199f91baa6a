package machine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLinuxTellsMemoryKernelAndTicks(t *testing.T) {
	m := Facts()
	assert.Greater(t, m.Memory, int64(64<<20))
	assert.NotEmpty(t, m.Kernel)
	assert.Greater(t, PeakRSS(), int64(1<<20))
	assert.True(t, ReadTicks().ok)
}

func TestStealIsTheEighthFieldOfProcStat(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       ticks
	}{
		{"a modern kernel", "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n", ticks{steal: 8, total: 36, ok: true}},
		{"a line cut short", "cpu  1 2 3\n", ticks{}},
		{"no number", "cpu  1 2 3 4 5 6 7 x 9\n", ticks{}},
		{"another file", "intr 1 2 3 4 5 6 7 8\n", ticks{}},
		{"nothing", "", ticks{}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, parseTicks([]byte(c.stat))) })
	}
}

func FuzzParseTicks(f *testing.F) {
	f.Add([]byte("cpu  1 2 3 4 5 6 7 8 9 10\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseTicks(b) })
}
