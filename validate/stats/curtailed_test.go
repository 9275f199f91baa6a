package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

var slow95 = Budget{Percentile: 0.95, Confidence: 0.99, Limit: 20}

func TestASignTestOfRounds(t *testing.T) {
	for _, c := range []struct {
		won, rounds int
		want        Answer
		p           float64
	}{
		{7, 7, Within, 1.0 / 128}, {6, 7, Unsure, 8.0 / 128}, {0, 7, Over, 1.0 / 128}, {1, 7, Unsure, 8.0 / 128},
		{6, 6, Unsure, 1.0 / 64}, {4, 8, Unsure, 163.0 / 256}, {11, 12, Within, 13.0 / 4096},
		{0, 0, Unsure, 1}, {8, 7, Unsure, 1}, {-1, 7, Unsure, 1},
	} {
		a, p := SignTest(c.won, c.rounds, 0.99)
		assert.Equal(t, c.want, a, "%d of %d", c.won, c.rounds)
		assert.InDelta(t, c.p, p, 1e-12, "%d of %d", c.won, c.rounds)
	}
}

func TestWhatIsMissingCountsAsUnderTheLimit(t *testing.T) {
	slow := func(n int) []float64 {
		l := make([]float64, n)
		for i := range l {
			l[i] = 900 + float64(i%3)
		}
		return l
	}
	assert.Equal(t, 25, CountFor(300, slow95), "25 of 300 rule chance out, 24 do not")
	d := DecideCurtailed([][]float64{slow(11), slow(11), slow(11)}, 300, slow95)
	assert.Equal(t, Over, d.Answer)
	assert.Equal(t, 33, d.N)
	assert.Equal(t, 33, d.Count)
	d = DecideCurtailed([][]float64{slow(3), slow(3), slow(3)}, 300, slow95)
	assert.Equal(t, Unsure, d.Answer, "9 of 300 may be chance")
	d = DecideCurtailed([][]float64{{1, 1, 1}, {1, 1, 1}}, 300, slow95)
	assert.Equal(t, Unsure, d.Answer, "never Within, however fast what there is")
	assert.Equal(t, Decision{P: 1}, DecideCurtailed(nil, 300, slow95))
	whole := [][]float64{slow(100), slow(100), slow(100)}
	assert.Equal(t, Decide(whole, slow95), DecideCurtailed(whole, 300, slow95), "nothing is missing")
}

func TestASlowDriftFarAboveTheLimitIsStillOver(t *testing.T) {
	drift := func(from float64) []float64 {
		l := make([]float64, 11)
		for i := range l {
			l[i] = from * (1 + 0.005*float64(i))
		}
		return l
	}
	d := DecideCurtailed([][]float64{drift(900), drift(880), drift(910)}, 300, slow95)
	assert.Equal(t, Over, d.Answer, "%+v", d)
	assert.True(t, d.OutOfReach)
	near := DecideCurtailed([][]float64{drift(20.5), drift(20.1), drift(20.9)}, 300, slow95)
	assert.Equal(t, Unsure, near.Answer, "a drift that near may have begun below: %+v", near)
}

// Whatever the missing samples are, the decision on all samples does not
// contradict the one without them.
func TestACurtailedAnswerIsNeverContradictedByTheWholeOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	over := 0
	for range 4000 {
		b := Budget{Percentile: 0.5 + 0.49*r.Float64(), Confidence: 0.9 + 0.099*r.Float64(), Limit: 20}
		launches, each := 1+r.IntN(4), 10+r.IntN(120)
		kept, whole := make([][]float64, launches), make([][]float64, launches)
		rate, correlation, state := r.Float64(), r.Float64(), r.NormFloat64()
		for i := range kept {
			n := 1 + r.IntN(each)
			for j := range each {
				state = correlation*state + math.Sqrt(1-correlation*correlation)*r.NormFloat64()
				v := 20 * math.Exp(state/3+2*(rate-0.5))
				if j >= n && r.IntN(3) > 0 {
					v = 1 // the best that can come
				}
				whole[i] = append(whole[i], v)
				if j < n {
					kept[i] = append(kept[i], v)
				}
			}
		}
		d, full := DecideCurtailed(kept, launches*each, b), Decide(whole, b)
		if d.N == full.N {
			continue
		}
		assert.NotEqual(t, Within, d.Answer)
		if d.Answer == Over {
			over++
			if !assert.NotEqual(t, Within, full.Answer, "%+v\n%+v\n%+v", b, d, full) {
				return
			}
		}
	}
	assert.Greater(t, over, 300, "the property was put to the test")
}
