package machine

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMachineFactsNameNoMachine(t *testing.T) {
	m := Facts()
	assert.NotEmpty(t, m.CPU)
	assert.Positive(t, m.Cores)
	assert.Contains(t, m.Go, "go")
	if host, err := os.Hostname(); err == nil && len(host) > 3 {
		assert.NotContains(t, m.CPU+m.Kernel, host)
	}
}

func TestTicksThatAreNotCountedAreMinusOne(t *testing.T) {
	steal, _ := ticks{}.Since(ticks{})
	assert.EqualValues(t, -1, steal)
	steal, total := ticks{steal: 7, total: 100, ok: true}.Since(ticks{steal: 4, total: 50, ok: true})
	assert.EqualValues(t, 3, steal)
	assert.EqualValues(t, 50, total)
}
