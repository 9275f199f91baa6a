package measure

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/validate/evidence"
)

func TestSamplesAreSharedOverTheLaunchesAndNoneIsLost(t *testing.T) {
	for _, c := range []struct{ launches, samples int }{{3, 300}, {3, 301}, {4, 3}, {1, 7}} {
		p := evidence.Plan{Launches: c.launches, Samples: c.samples}
		sum := 0
		for n := 1; n <= c.launches; n++ {
			sum += samplesOf(p, n)
			assert.InDelta(t, c.samples/c.launches, samplesOf(p, n), 1)
		}
		assert.Equal(t, c.samples, sum)
	}
}

func TestEachLaunchBeginsWithAnotherPoint(t *testing.T) {
	p := fakeOptions(t).plan()
	first := map[int]bool{}
	for n := 1; n <= 3; n++ {
		o := orderOf(p, n)
		assert.ElementsMatch(t, p.Points, o)
		first[o[0].Tokens] = true
	}
	assert.Len(t, first, 3)
	assert.Equal(t, orderOf(p, 1), orderOf(p, 4), "more launches than points begin again")
	assert.Empty(t, orderOf(evidence.Plan{Launches: 1}, 1))
}

func TestOnlyTheFirstLaunchesMeasureWhatTheChannelReports(t *testing.T) {
	o := fakeOptions(t)
	o.Policy.Latency.Budgets[3].Channels = []string{"release"}
	o.Channel = "local"
	p := o.plan()
	long := evidence.LatencyPoint{Tokens: 24, Batch: 1}
	assert.Equal(t, []evidence.LatencyPoint{long}, p.Brief)
	assert.Contains(t, orderOf(p, 1), long)
	assert.NotContains(t, orderOf(p, 2), long)
	assert.Len(t, orderOf(p, 2), len(p.Points)-1)
	o.Channel = "release"
	assert.Empty(t, o.plan().Brief)
}
