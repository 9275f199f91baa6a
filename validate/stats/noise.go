package stats

import "math"

// A machine is unstable over either of these.
const (
	// MaxSpread is the largest 90th percentile of the calibration loop's times
	// in units of their median. A quiet machine stays under 1.1, a virtual one
	// under load near it.
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
	// system does not tell.
	Stolen float64
}

// NoiseOf reads the signs of noise off calibration times, of all launches
// together so that a launch on a slower clock shows too, and off stolen ticks
// (negative: not told).
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

// Unstable tells whether either sign is over its limit.
func (n Noise) Unstable() bool { return !(n.Spread <= MaxSpread) || n.Stolen > MaxStolen }

// factor is how much slower than here the same machine may be in another hour,
// going by what was seen: 1 when it is stable, infinite when nothing is known.
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

// Under returns the decision on a machine so noisy: a Within stands only when
// the samples would also be few enough over a limit that is smaller by the
// noise's factor, else it becomes Unsure. How slowly the samples move was
// judged before; the noise that made them move is not counted twice. Noise
// changes no other answer: it never excuses an Over.
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
