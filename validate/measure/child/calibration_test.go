package child

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCalibrationDoesTheSameWorkEachTurn(t *testing.T) {
	var a, b calibration
	assert.Positive(t, a.turn())
	b.turn()
	assert.Equal(t, a.state, b.state)
	assert.NotZero(t, a.state)
}

func BenchmarkCalibration(b *testing.B) {
	var c calibration
	for b.Loop() {
		c.turn()
	}
}
