package stats

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowLE sums the binomial's terms with 300 bits.
func slowLE(k, n int, num, den int64) float64 {
	p := new(big.Float).SetPrec(300).Quo(big.NewFloat(float64(num)), big.NewFloat(float64(den)).SetPrec(300))
	q := new(big.Float).SetPrec(300).Sub(big.NewFloat(1).SetPrec(300), p)
	sum := new(big.Float).SetPrec(300)
	for i := 0; i <= k; i++ {
		term := new(big.Float).SetPrec(300).SetInt(new(big.Int).Binomial(int64(n), int64(i)))
		for range i {
			term.Mul(term, p)
		}
		for range n - i {
			term.Mul(term, q)
		}
		sum.Add(sum, term)
	}
	f, _ := sum.Float64()
	return f
}

func TestBinomialTailsAreExact(t *testing.T) {
	for _, n := range []int{1, 2, 7, 100, 300} {
		for _, c := range [][2]int64{{1, 20}, {1, 100}, {1, 2}, {9, 10}} {
			p := float64(c[0]) / float64(c[1])
			for _, k := range []int{0, 1, 2, n / 20, n / 2, n - 1} {
				if k >= n || k < 0 {
					continue
				}
				want := slowLE(k, n, c[0], c[1])
				assert.InEpsilon(t, want, binomialLE(k, n, p), 1e-9, "P(Bin(%d, %g) ≤ %d)", n, p, k)
				assert.InDelta(t, 1-want, binomialGE(k+1, n, p), 1e-12, "P(Bin(%d, %g) ≥ %d)", n, p, k+1)
			}
		}
	}
}

func TestBinomialTailsAtTheEdges(t *testing.T) {
	assert.Equal(t, 0.0, binomialLE(-1, 10, 0.5))
	assert.Equal(t, 1.0, binomialLE(10, 10, 0.5))
	assert.Equal(t, 1.0, binomialLE(0, 0, 0.5))
	assert.Equal(t, 1.0, binomialLE(3, 10, 0))
	assert.Equal(t, 0.0, binomialLE(3, 10, 1))
	assert.Equal(t, 1.0, binomialGE(0, 10, 0.5))
	assert.Equal(t, 0.0, binomialGE(11, 10, 0.5))
	assert.Equal(t, 0.0, binomialGE(1, 10, 0))
	assert.Equal(t, 1.0, binomialGE(10, 10, 1))
	assert.Zero(t, binomialGE(300, 300, 0.05), "a tail too small for a float is no error")
}

func TestAPercentileIsOneOfTheValues(t *testing.T) {
	v := []int64{5, 1, 4, 2, 3}
	for q, want := range map[float64]int64{0: 1, 0.2: 1, 0.21: 2, 0.5: 3, 0.8: 4, 0.81: 5, 0.95: 5, 1: 5} {
		assert.Equal(t, want, Percentile(v, q), "q=%g", q)
	}
	assert.Equal(t, []int64{5, 1, 4, 2, 3}, v, "the argument keeps its order")
	assert.Zero(t, Percentile([]float64(nil), 0.5))
	var w []int
	for i := 1; i <= 300; i++ {
		w = append(w, i)
	}
	assert.Equal(t, 285, Percentile(w, 0.95), "0.95·300 is 285, whatever a float makes of it")
}

func TestEqualValuesShareTheirMeanRank(t *testing.T) {
	assert.Equal(t, []float64{1, 3, 3, 3, 5}, Ranks([]float64{-1, 2, 2, 2, 9}))
	assert.Equal(t, []float64{4, 1, 2.5, 2.5}, Ranks([]float64{7, 0, 1, 1}))
}

func TestRanksAreThePlacesInAComparedOrder(t *testing.T) {
	negative := math.Copysign(0, -1)
	assert.Equal(t, []float64{2.5, 1, 2.5, 4}, Ranks([]float64{negative, -5, 0, math.Inf(1)}), "−0 is 0")
	assert.Empty(t, Ranks(nil))
	r := rand.New(rand.NewPCG(3, 3))
	for _, digits := range []float64{1, 1e3, 1e17} { // from many equal values to none
		x := make([]float64, 3000)
		for i := range x {
			x[i] = math.Round(r.NormFloat64()*digits) / digits * math.Exp2(float64(r.IntN(3)*100))
		}
		order := slices.Sorted(slices.Values(x))
		for i, rank := range Ranks(x) {
			first, _ := slices.BinarySearch(order, x[i])
			last := first
			for last < len(order) && order[last] == x[i] {
				last++
			}
			require.Equal(t, float64(first+1+last)/2, rank)
		}
	}
}

func TestSpearmanOfKnownCases(t *testing.T) {
	spearman := func(x, y []float64) float64 { return RankCorrelation(Ranks(x), Ranks(y)) }
	assert.Equal(t, 1.0, spearman([]float64{1, 2, 3, 4}, []float64{1, 8, 9, 1000}))
	assert.Equal(t, -1.0, spearman([]float64{1, 2, 3}, []float64{3, 2, 1}))
	assert.InDelta(t, 0.9486832980505138, spearman([]float64{1, 2, 2, 3}, []float64{1, 2, 3, 4}), 1e-12, "scipy.stats.spearmanr says so")
	assert.Zero(t, spearman([]float64{1, 1, 1}, []float64{1, 2, 3}), "a constant side agrees with nothing")
	assert.Zero(t, spearman([]float64{1}, []float64{1}))
	assert.Zero(t, spearman([]float64{1, 2}, []float64{1}))
}

// ar returns launches of AR(1) samples with a standard normal distribution.
func ar(r *rand.Rand, launches, n int, rho float64) [][]float64 {
	out := make([][]float64, launches)
	for i := range out {
		x := r.NormFloat64()
		for range n {
			out[i] = append(out[i], x)
			x = rho*x + math.Sqrt(1-rho*rho)*r.NormFloat64()
		}
	}
	return out
}

func TestEffectiveSizeFindsTheDependence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, rho := range []float64{0, 0.3, 0.6, 0.9} {
		want := 3000 * (1 - rho) / (1 + rho)
		assert.InEpsilon(t, want, effectiveSize(ar(r, 3, 1000, rho)), 0.3, "rho=%g", rho)
	}
	assert.LessOrEqual(t, effectiveSize(ar(r, 3, 100, -0.9)), 300.0, "anticorrelation earns nothing")
	assert.Zero(t, effectiveSize(nil))
	assert.Equal(t, 5.0, effectiveSize([][]float64{{2, 2, 2}, {2, 2}}), "a constant says nothing of dependence")
	steps := make([][]float64, 3)
	for i := range steps {
		for range 100 {
			steps[i] = append(steps[i], float64(i*i))
		}
	}
	assert.InDelta(t, 3, effectiveSize(steps), 0.2, "three launches, each of one level, are worth three")
}

func TestToleranceConfidenceAgreesWithPublishedFactors(t *testing.T) {
	// One-sided normal tolerance factors for 95 % at 99 % (ISO 16269-6).
	for n, k := range map[float64]float64{2: 131.426, 3: 17.370, 10: 3.738, 30: 2.515, 300: 1.8676} {
		assert.InDelta(t, 0.99, toleranceConfidence(k, n, 0.95), 1e-4, "n=%g", n)
	}
	assert.Zero(t, toleranceConfidence(10, 1.9, 0.95))
	assert.Zero(t, toleranceConfidence(math.NaN(), 10, 0.95))
	assert.InDelta(t, 1, toleranceConfidence(math.Inf(1), 10, 0.95), 1e-9)
}

var p95 = Budget{Percentile: 0.95, Confidence: 0.99, Limit: 20}

func samples(n, over int) [][]float64 {
	l := make([]float64, n)
	for i := range l {
		l[i] = 10
	}
	for i := range over { // spread out evenly, so that nothing clusters
		l[(2*i+1)*n/(2*over)] = 30
	}
	return [][]float64{l}
}

func TestIndependentSamplesAreDecidedByTheBinomialAlone(t *testing.T) {
	for _, c := range []struct {
		n, over int
		want    Answer
	}{
		{300, 0, Within}, {300, 6, Within}, {300, 7, Unsure}, {300, 15, Unsure},
		{300, 24, Unsure}, {300, 25, Over}, {300, 300, Over},
		{90, 0, Within}, {89, 0, Unsure}, {0, 0, Unsure}, {1, 1, Unsure}, {2, 2, Over},
	} {
		d := Decide(samples(c.n, c.over), p95)
		assert.Equal(t, c.want, d.Answer, "%d of %d over: %+v", c.over, c.n, d)
		assert.Equal(t, c.over, d.Count)
		assert.Equal(t, c.n, d.N)
	}
}

func TestASampleAtTheLimitIsOverIt(t *testing.T) {
	l := make([]float64, 300)
	for i := range l {
		l[i] = 20
	}
	assert.Equal(t, Over, Decide([][]float64{l}, p95).Answer)
	l[0] = math.NaN()
	assert.Equal(t, 300, Decide([][]float64{l}, p95).Count, "no number is under a limit")
}

func TestClusteredOverrunsAreWorthFewerSamples(t *testing.T) {
	spread := Decide(samples(300, 6), p95)
	l := samples(300, 0)
	for i := range 6 {
		l[0][100+i] = 30
	}
	clustered := Decide(l, p95)
	assert.Equal(t, Within, spread.Answer)
	assert.Equal(t, Unsure, clustered.Answer)
	assert.Less(t, clustered.Effective, 150.0)
}

// latencies turns normal samples into times around 20/faster with a spread.
func latencies(x [][]float64, faster, cv float64) [][]float64 {
	for _, l := range x {
		for i := range l {
			l[i] = 20 / faster * math.Exp(cv*l[i])
		}
	}
	return x
}

// atTheLimit makes latencies of x, whose launches differ by sd, with their 95th
// percentile exactly at p95's limit.
func atTheLimit(x [][]float64, cv, sd float64) [][]float64 {
	quantile := 1.6448536269514722 * math.Sqrt(1+sd*sd)
	for _, l := range x {
		for i := range l {
			l[i] = 20 * math.Exp(cv*(l[i]-quantile))
		}
	}
	return x
}

func TestThePowerToSeeAFastAndASlowModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, rho := range []float64{0, 0.5, 0.9, 0.95} {
		for range 50 {
			fast := Decide(latencies(ar(r, 3, 100, rho), 2, 0.03), p95)
			assert.Equal(t, Within, fast.Answer, "twice as fast, rho %g: %+v", rho, fast)
			slow := Decide(latencies(ar(r, 3, 100, rho), 0.8, 0.03), p95)
			assert.Equal(t, Over, slow.Answer, "a quarter too slow, rho %g: %+v", rho, slow)
		}
	}
}

func TestDriftThatReachesTheLimitIsNoPass(t *testing.T) {
	// Three launches that climb slowly and stop just under the limit: no sample
	// is over, and yet nobody may promise the next launch.
	l := make([][]float64, 3)
	for i := range l {
		for j := range 100 {
			l[i] = append(l[i], 17+2.9*float64(j)/99)
		}
	}
	d := Decide(l, p95)
	assert.Equal(t, Unsure, d.Answer, "%+v", d)
	assert.Zero(t, d.Count)
	for i := range l {
		for j := range l[i] {
			l[i][j] /= 8
		}
	}
	d = Decide(l, p95)
	assert.Equal(t, Within, d.Answer, "the same drift eight times faster: %+v", d)
	assert.True(t, d.OutOfReach)
}

// The percentile lies exactly at the limit, so that both Within and Over are
// false answers; at most 1 % may be.
func TestNullSimulationGivesAtMostOnePercentFalseAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		rho  float64
	}{
		{"independent samples", 0}, {"correlation 0.3", 0.3}, {"correlation 0.6", 0.6},
		{"correlation 0.9", 0.9}, {"correlation 0.97", 0.97},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(2026, uint64(100*c.rho)))
			within, over := 0, 0
			for range 200 {
				switch Decide(atTheLimit(ar(r, 3, 100, c.rho), 0.1, 0), p95).Answer {
				case Within:
					within++
				case Over:
					over++
				}
			}
			assert.LessOrEqual(t, within+over, 2, "%d false passes, %d false fails of 200", within, over)
		})
	}
}

func TestNoiseIsReadOffTheCalibrationLoopAndStolenTime(t *testing.T) {
	steady := []float64{100, 101, 100, 102, 100, 101, 100, 103}
	jumpy := []float64{100, 101, 100, 102, 100, 101, 200, 203}
	for _, c := range []struct {
		name           string
		cal            []float64
		stolen, total  int64
		unstable       bool
		atLeast, under float64
	}{
		{"a quiet machine", steady, 0, 1000, false, 1, 1.001},
		{"a quiet machine that does not tell of stolen time", steady, -1, 0, false, 1, 1.001},
		{"a jumpy calibration loop", jumpy, 0, 1000, true, 2, 2.1},
		{"a tenth of the time stolen", steady, 100, 1000, true, 1.1, 1.2},
		{"all the time stolen", steady, 1000, 1000, true, math.Inf(1), math.Inf(1)},
		{"no calibration", nil, 0, 1000, true, math.Inf(1), math.Inf(1)},
		{"calibration times of zero", make([]float64, 10), 0, 1000, true, math.Inf(1), math.Inf(1)},
	} {
		n := NoiseOf(c.cal, c.stolen, c.total)
		assert.Equal(t, c.unstable, n.Unstable(), c.name)
		assert.GreaterOrEqual(t, n.factor(), c.atLeast, c.name)
		assert.LessOrEqual(t, n.factor(), c.under, c.name)
	}
}

func TestNoiseOnlyEverTurnsAPassIntoUnsure(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	kept, lost := 0, 0
	for range 300 {
		l := latencies(ar(r, 3, 100, 0.3), 0.7+2*r.Float64(), 0.1)
		n := Noise{Spread: 1 + r.Float64(), Stolen: 0.2 * r.Float64()}
		before := Decide(l, p95)
		after := n.Under(before, l, p95)
		if before.Answer != Within {
			require.Equal(t, before, after)
			continue
		}
		require.NotEqual(t, Over, after.Answer)
		if after.Answer == Within {
			kept++
		} else {
			lost++
		}
	}
	assert.NotZero(t, kept, "a wide margin survives noise")
	assert.NotZero(t, lost, "a narrow one does not")
	fast := latencies(ar(r, 3, 100, 0), 10, 0.1)
	unknown := NoiseOf(nil, -1, 0)
	assert.Equal(t, Unsure, unknown.Under(Decide(fast, p95), fast, p95).Answer, "without calibration nothing is known")
}

func BenchmarkDecide(b *testing.B) {
	l := latencies(ar(rand.New(rand.NewPCG(1, 1)), 3, 100, 0.95), 2, 0.05)
	for b.Loop() {
		Decide(l, p95)
	}
}
