package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// shifted are launches whose levels differ by sd, in units of the samples' own
// spread.
func shifted(r *rand.Rand, launches, n int, rho, sd float64) [][]float64 {
	l := ar(r, launches, n, rho)
	for _, x := range l {
		level := sd * r.NormFloat64()
		for i := range x {
			x[i] += level
		}
	}
	return l
}

// The percentile over all possible launches is exactly at the limit, so that
// Within is false. At most 1 % of the answers may be that.
func TestLaunchesThatDifferGiveAtMostOnePercentFalsePasses(t *testing.T) {
	for _, sd := range []float64{0, 0.3, 1, 3, 10} {
		r := rand.New(rand.NewPCG(11, uint64(10*sd)))
		within, repeats := 0, 1000
		for range repeats {
			if Decide(atTheLimit(shifted(r, 10, 30, 0.3, sd), 0.05, sd), p95).Answer == Within {
				within++
			}
		}
		assert.LessOrEqual(t, within, repeats/100, "launches that differ by %g times the samples' spread", sd)
	}
}

// As the shipped policy measures, and each of its two attempts must be right.
func TestTwentyLaunchesThatDifferGiveAtMostHalfAPercentFalsePasses(t *testing.T) {
	half := p95
	half.Confidence = 0.995
	for _, rho := range []float64{0, 0.9} {
		for _, sd := range []float64{0.3, 3, 10} {
			r := rand.New(rand.NewPCG(14, uint64(100*rho+sd)))
			within, repeats := 0, 1000
			for range repeats {
				if Decide(atTheLimit(shifted(r, 20, 15, rho, sd), 0.05, sd), half).Answer == Within {
					within++
				}
			}
			assert.LessOrEqual(t, within, repeats/200, "correlation %g, launches that differ by %g times the samples' spread", rho, sd)
		}
	}
}

func TestTwentyLaunchesDecideOnAMachineOfTwoSpeeds(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 15))
	half := p95
	half.Confidence = 0.995
	within := 0
	for range 200 {
		l := shifted(r, 20, 15, 0.3, 0)
		for _, x := range l {
			speed := []float64{8.8, 12.1}[r.IntN(2)]
			for i := range x {
				x[i] = speed * math.Exp(0.05*x[i])
			}
		}
		if Decide(l, half).Answer == Within {
			within++
		}
	}
	assert.Greater(t, within, 190)
}

// Measuring again what stays undecided, with half of the error each time, is not
// wrong more often than measuring once.
func TestTwoAttemptsAtHalfTheErrorGiveAtMostOnePercentFalseAnswers(t *testing.T) {
	half := p95
	half.Confidence = 1 - (1-p95.Confidence)/2
	r := rand.New(rand.NewPCG(13, 13))
	within, over, repeats := 0, 0, 2000
	for range repeats {
		for range 2 {
			a := Decide(atTheLimit(shifted(r, 10, 30, 0, 0), 0.05, 0), half).Answer
			if a == Within {
				within++
			}
			if a == Over {
				over++
			}
			if a != Unsure {
				break
			}
		}
	}
	assert.LessOrEqual(t, within, repeats/100)
	assert.LessOrEqual(t, over, repeats/100)
	assert.Positive(t, within+over, "the limit is where answers are possible at all")
}

func TestMoreLaunchesDecideWhatFewCannot(t *testing.T) {
	power := func(launches int) (within int) {
		r := rand.New(rand.NewPCG(12, 12))
		for range 100 {
			// At half the budget; launches and samples differ by 10 %.
			if Decide(latencies(shifted(r, launches, 300/launches, 0.7, 1), 2, 0.1), p95).Answer == Within {
				within++
			}
		}
		return within
	}
	three, ten := power(3), power(10)
	assert.Greater(t, ten, 75)
	assert.Less(t, three, 50)
}

func TestALimitIsInReachWhereNothingSaysOtherwise(t *testing.T) {
	for name, l := range map[string][][]float64{
		"no launch":            nil,
		"one short launch":     {{1, 1.1}},
		"an empty launch":      {{1, 1.1}, {}},
		"a sample each":        {{1}, {1.1}, {1}},
		"a duration of nought": {{1, 0}, {1, 1.1}},
		"slower than it":       {{30, 31}, {30, 32}},
	} {
		assert.False(t, outOfReach(l, p95), name)
	}
	assert.True(t, outOfReach([][]float64{{1, 1.1, 1, 1.05, 1.1, 1, 1.05, 1}}, p95), "one launch, ten times faster, and steady")
	assert.True(t, outOfReach([][]float64{{1, 1.1, 1, 1.05}, {1.1, 1, 1.05, 1}, {1, 1.1, 1.05, 1.1}}, p95), "ten times faster, and steady")
}
