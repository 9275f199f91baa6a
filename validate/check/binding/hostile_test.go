package binding_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
)

// maxAnswer is how long the refusal of one hostile file may take. The goal is
// five seconds on a quiet machine; a busy one with the race detector takes
// several times as long. The error's text shows that a limit on counts refused
// the file.
const maxAnswer = 30 * time.Second

func TestEvidenceWithMoreThanAPlanAsksForIsRefusedAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("judges much evidence: run without -short")
	}
	const many = 60_000
	for what, e := range map[string]evidence.Evidence{
		"plan.points":   {Plan: evidence.Plan{Points: make([]evidence.LatencyPoint, many)}},
		"plan.recorded": {Plan: evidence.Plan{Recorded: make([]int, many)}},
		"plan.texts":    {Plan: evidence.Plan{Texts: make([]int, many)}},
		"samples":       {Latency: []evidence.LatencyRun{{SamplesNS: validatetest.Rising(5 * many)}}},
		"latency":       {Latency: make([]evidence.LatencyRun, many)},
		"pairs":         {Pairs: make([]evidence.PairedRun, many)},
		"cold":          {Cold: make([]evidence.ColdStart, many)},
		"memory":        {Memory: make([]evidence.MemoryPeak, many)},
		"placement":     {Placement: make([]evidence.PlacementRun, many)},
	} {
		t.Run(what, func(t *testing.T) {
			e.Schema = evidence.Schema
			b, err := json.Marshal(e)
			require.NoError(t, err)
			began := time.Now()
			_, err = evidence.Parse(b)
			require.ErrorContains(t, err, what+": got ")
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			assert.Less(t, time.Since(began), maxAnswer)
		})
	}
}

func TestVectorsOfMoreRunsThanAreKnownAreRefusedAtOnce(t *testing.T) {
	v := evidence.Vectors{Dim: 1, IDs: [][]int64{{1}}, Primary: []float32{1}}
	for i := range evidence.MaxInvarianceRuns + 1 {
		v.Invariance = append(v.Invariance, evidence.InvarianceRun{Name: string(rune('a'+i)) + "-run", Rows: []int{0}, Vecs: []float32{1}})
	}
	b, err := evidence.EncodeVectors(v)
	require.NoError(t, err)
	_, err = evidence.DecodeVectors(b)
	require.ErrorContains(t, err, "37 tensors")
}

func TestUnplannedSamplesAreCountedAndNotProcessed(t *testing.T) {
	began := time.Now()
	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		e.Latency[0].SamplesNS = validatetest.Rising(evidence.MaxSamples)
	})
	assert.Equal(t, []string{"FAIL integrity/plan"}, validatetest.Failures(row))
	assert.Empty(t, row.Latency)
	assert.Less(t, time.Since(began), 2*maxAnswer, "the self-test's share included")
}
