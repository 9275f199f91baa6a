package validate

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

// The bar of one hostile file is five seconds on a quiet machine. A busy one with
// the race detector takes several times as long; the error says that a cap, and
// not the clock, refused the file.
const answered = 30 * time.Second

func TestEvidenceWithMoreThanAPlanAsksForIsRefusedAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("judges much evidence: run without -short")
	}
	const many = 60_000
	for what, e := range map[string]Evidence{
		"plan.points":   {Plan: Plan{Points: make([]LatencyPoint, many)}},
		"plan.recorded": {Plan: Plan{Recorded: make([]int, many)}},
		"plan.texts":    {Plan: Plan{Texts: make([]int, many)}},
		"samples":       {Latency: []LatencyRun{{SamplesNS: rising(5 * many)}}},
		"latency":       {Latency: make([]LatencyRun, many)},
		"pairs":         {Pairs: make([]PairedRun, many)},
		"cold":          {Cold: make([]ColdStart, many)},
		"memory":        {Memory: make([]MemoryPeak, many)},
		"placement":     {Placement: make([]PlacementRun, many)},
	} {
		t.Run(what, func(t *testing.T) {
			e.Schema = EvidenceSchema
			b, err := json.Marshal(e)
			require.NoError(t, err)
			began := time.Now()
			_, err = parseEvidence(b)
			require.ErrorContains(t, err, what+": got ")
			assert.Equal(t, fault.Usage, fault.KindOf(err))
			assert.Less(t, time.Since(began), answered)
		})
	}
}

func TestVectorsOfMoreRunsThanAreKnownAreRefusedAtOnce(t *testing.T) {
	v := Vectors{Dim: 1, IDs: [][]int64{{1}}, Primary: []float32{1}}
	for i := range maxCompany + 1 {
		v.Invariance = append(v.Invariance, InvarianceRun{Name: string(rune('a'+i)) + "-run", Rows: []int{0}, Vecs: []float32{1}})
	}
	b, err := encodeVectors(v)
	require.NoError(t, err)
	_, err = decodeVectors(b)
	require.ErrorContains(t, err, "37 tensors")
}

func TestSamplesThatNobodyPlannedAreCountedAndNotStudied(t *testing.T) {
	began := time.Now()
	row := judged(t, func(_ *Input, e *Evidence) { e.Latency[0].SamplesNS = rising(maxSamples) })
	assert.Equal(t, []string{"FAIL integrity/plan"}, failures(row))
	assert.Empty(t, row.Latency)
	assert.Less(t, time.Since(began), 2*answered, "the self-test's share included")
}

func rising(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(1e6 + i)
	}
	return all
}
