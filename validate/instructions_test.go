package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestARowTellsTheMachineAndNoWordThatNoProcessorHas(t *testing.T) {
	row := judged(t, func(_ *Input, e *Evidence) {
		e.Machine.CPU, e.Machine.InstructionSets = strings.Repeat("x", 10_000), []string{"\x1b[2J", VNNI, AVX2, AVX2}
	})
	assert.Equal(t, Pass, row.Result)
	assert.Equal(t, []string{AVX2, VNNI}, row.Machine.InstructionSets)
	assert.Less(t, len(row.Machine.CPU), 1000)
	has, known := row.Machine.Has(VNNI)
	assert.True(t, has && known)
	_, known = Machine{}.Has(VNNI)
	assert.False(t, known)
}
