package stats

import "math"

// A machine is unstable over either of these.
const (
	// MaxSpread is the largest 90th percentile of the calibration loop's times,
	// divided by their median. A quiet machine stays under 1.1; a virtual one
	// under load is close to MaxSpread.
	MaxSpread = 1.25
	// MaxStolen is the largest share of time that a hypervisor may take away.
	MaxStolen = 0.02
	// MinCalibration is how many times a calibration loop must have been timed
	// for its spread to mean anything.
	MinCalibration = 8
)

// Noise is how unstable a machine was while samples were taken.
type Noise struct {
	// Spread is the calibration loop's 90th percentile over its median;
	// infinite when it was timed too seldom to tell.
	Spread float64
	// Stolen is the share of time that was stolen; NaN when the operating
	// system does not count it.
	Stolen float64
}

// NoiseOf computes the noise from calibration times and stolen ticks (negative:
// not counted). The times are those of all launches together, so that a launch
// with a slower clock counts too.
func NoiseOf(calibration []float64, stolen, total int64) Noise {
	n := Noise{Spread: math.Inf(1), Stolen: math.NaN()}
	if len(calibration) >= MinCalibration {
		if half := Percentile(calibration, 0.5); half > 0 {
			n.Spread = Percentile(calibration, 0.9) / half
		}
	}
	if stolen >= 0 && total > 0 {
		n.Stolen = float64(stolen) / float64(total)
	}
	return n
}

// Unstable reports whether the spread or the stolen time is over its limit.
func (n Noise) Unstable() bool { return !(n.Spread <= MaxSpread) || n.Stolen > MaxStolen }

// factor returns how much slower the same machine may be at another time, by
// what was measured: 1 when it is stable, infinite when nothing is known.
func (n Noise) factor() float64 {
	if !n.Unstable() {
		return 1
	}
	f := max(n.Spread, 1)
	if n.Stolen > 0 {
		f = max(f, 1/(1-min(n.Stolen, 1)))
	}
	return f
}

// Under returns the decision with regard to the noise. Within stays only when
// few enough samples would also be over a limit that is smaller by the noise's
// factor; otherwise it becomes Unsure. The dependence of the samples was judged
// before, so that noise does not count twice. No other answer changes: noise
// never excuses an Over.
func (n Noise) Under(d Decision, launches [][]float64, b Budget) Decision {
	if d.Answer != Within || !n.Unstable() {
		return d
	}
	over, count, all := overs(launches, b.Limit/n.factor())
	if p, _ := pass(count, all, effectiveSize(over), 1-b.Percentile); !atMost(p, 1-b.Confidence) {
		d.Answer = Unsure
	}
	return d
}
