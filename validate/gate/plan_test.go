package gate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestEvidenceOfOtherTextsThanPlannedIsRefused(t *testing.T) {
	in := validatetest.SmallInput(t)
	few := in.Policy.Providers["cpu"]
	few.Texts = 12
	in.Policy.Providers["cpu"] = few
	v := gatetest.Gate(t, in)
	require.Equal(t, verdict.Fail, v.Result)
	assert.Contains(t, validatetest.Failures(validatetest.RowOf(t, v, "cpu", "fp32")), "FAIL integrity/plan")
}

func TestARowNamesTheMachineAndOnlyKnownInstructionSets(t *testing.T) {
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		e.Machine.CPU, e.Machine.InstructionSets = strings.Repeat("x", 10_000), []string{"\x1b[2J", evidence.VNNI, evidence.AVX2, evidence.AVX2}
	})
	assert.Equal(t, verdict.Pass, row.Result)
	assert.Equal(t, []string{evidence.AVX2, evidence.VNNI}, row.Machine.InstructionSets)
	assert.Less(t, len(row.Machine.CPU), 1000)
	has, known := row.Machine.Has(evidence.VNNI)
	assert.True(t, has && known)
	_, known = evidence.Machine{}.Has(evidence.VNNI)
	assert.False(t, known)
}
