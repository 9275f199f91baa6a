package speed

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/stats"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Latency proves each percentile budget by an exact test over several
// launches.
func Latency() check.Check {
	return check.Check{
		Name: "latency",
		// Samples that a crash cut short are too few for what was planned.
		HasData:     func(evidence.Evidence) bool { return false },
		UsesNumbers: true,
		Judge:       judgeLatency,
		KnownBad:    badLatency(),
	}
}

func judgeLatency(c check.Case) check.Result {
	var o check.Result
	for _, b := range c.Policy.Latency.Budgets {
		p := evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}
		if !slices.Contains(c.Plan.Points, p) {
			continue // the file's fixed length is shorter
		}
		s := samplesAt(c.Evidence, p)
		s.planned, s.limit = c.Plan.SamplesAt(p), c.Plan.LimitNS
		if n := len(s.all); n > s.planned {
			// The cost of the effective sample size grows with the square of
			// their number.
			o.Findings = append(o.Findings, verdict.Finding{
				Check: "latency", Item: p.Label(), Result: verdict.Fail, Measured: text.Plural(n, "sample", "samples"), Threshold: fmt.Sprintf("the %d planned", s.planned),
				Value: float64(n), Next: "Measure again: samples that were not planned prove nothing.",
			})
			continue
		}
		s.budget = StatsBudget(c.Policy.Latency, b)
		before := s.decide()
		d := s.noise.Under(before, s.launches, s.budget)
		o.Findings = append(o.Findings, s.finding(c, b, before, d))
		if !slices.ContainsFunc(o.Latency, func(l verdict.LatencySummary) bool { return l.LatencyPoint == p }) && len(s.all) > 0 {
			l := verdict.LatencySummary{
				LatencyPoint: p, N: len(s.all), EffectiveN: check.Rounded(d.Effective),
				P50NS: stats.Percentile(s.all, 0.50), P95NS: stats.Percentile(s.all, 0.95), P99NS: stats.Percentile(s.all, 0.99),
			}
			if s.ended() {
				l.Planned = s.planned
				l.EffectiveN = check.Rounded(d.Effective * float64(d.N) / float64(s.planned)) // of the samples that were taken
			}
			o.Latency = append(o.Latency, l)
		}
	}
	return o
}

// pointSamples is all that was measured at one length.
type pointSamples struct {
	point    evidence.LatencyPoint
	launches [][]float64
	all      []int64
	noise    stats.Noise
	planned  int   // samples
	limit    int64 // ns for the samples of one launch; 0: none
	budget   stats.Budget
}

// ended reports whether the time limit ended the samples before all were taken.
func (s pointSamples) ended() bool { return s.limit > 0 && len(s.all) > 0 && len(s.all) < s.planned }

func samplesAt(e evidence.Evidence, p evidence.LatencyPoint) pointSamples {
	s := pointSamples{point: p}
	var calibration []float64
	stolen, total := int64(0), int64(0)
	runs := slices.Clone(e.Latency)
	slices.SortStableFunc(runs, func(a, b evidence.LatencyRun) int { return a.Launch - b.Launch })
	for _, r := range runs {
		if r.LatencyPoint != p {
			continue
		}
		launch := make([]float64, len(r.SamplesNS))
		for i, n := range r.SamplesNS {
			launch[i] = float64(n)
		}
		s.launches = append(s.launches, launch)
		s.all = append(s.all, r.SamplesNS...)
		for _, n := range r.CalibrationNS {
			calibration = append(calibration, float64(n))
		}
		if r.StealTicks < 0 || stolen < 0 {
			stolen = -1
		} else {
			stolen, total = stolen+r.StealTicks, total+r.TotalTicks
		}
	}
	s.noise = stats.NoiseOf(calibration, stolen, total)
	return s
}

func StatsBudget(l policy.Latency, b policy.Budget) stats.Budget {
	return stats.Budget{Percentile: b.Percentile / 100, Confidence: l.Confidence(b.Confidence), Limit: float64(b.Budget)}
}

func (s pointSamples) decide() stats.Decision {
	if s.ended() {
		return stats.DecideCurtailed(s.launches, s.planned, s.budget)
	}
	return stats.Decide(s.launches, s.budget)
}

// finding formats a decision; before is the decision without regard to noise.
func (s pointSamples) finding(c check.Case, b policy.Budget, before, d stats.Decision) verdict.Finding {
	measured := stats.Percentile(s.all, b.Percentile/100)
	pct := "p" + strconv.FormatFloat(b.Percentile, 'f', -1, 64)
	f := verdict.Finding{
		Check: "latency", Item: s.point.Label() + " " + pct,
		Measured: Milliseconds(measured), Threshold: "< " + Milliseconds(int64(b.Budget)), Value: float64(measured),
		Sure:     sure(d, s.budget.Confidence),
		Warnings: s.warnings(d),
	}
	if s.ended() {
		f.Measured += s.endedEarly(d)
	}
	if d.N == 0 {
		f.Measured, f.Sure = "no samples", ""
	}
	if !b.Gates(c.Channel, c.Class) {
		where := gatesWhere(b, c)
		f.Result, f.Threshold = verdict.Reported, "none ("+f.Threshold+" "+where+")"
		if d.N > 0 && measured >= int64(b.Budget) && len(b.Channels) > 0 && b.Gates(b.Channels[0], c.Class) {
			f.Warnings = append(f.Warnings, fmt.Sprintf("over %s on this machine: its budget %s", Milliseconds(int64(b.Budget)), where))
		}
		return f
	}
	switch d.Answer {
	case stats.Within:
		f.Result = verdict.Pass
	case stats.Over:
		f.Result = verdict.Fail
		f.Next = fmt.Sprintf("The %s at %s is over its budget of %s, and chance is ruled out. Make the model faster here (fewer threads in contention, another variant or provider), or change the promise in policy.yaml.", pct, s.point.Label(), b.Budget)
		if s.noise.Unstable() {
			f.Next += " The machine was unsteady while this was measured, which excuses nothing: stop what else runs there and measure again first."
		}
	default:
		f.Result = verdict.Inconclusive
		f.Next = s.inconclusiveAdvice(b, before)
	}
	return f
}

// gatesWhere says where a budget gates that does not gate this case.
func gatesWhere(b policy.Budget, c check.Case) string {
	var where []string
	if len(b.Precisions) > 0 && !slices.Contains(b.Precisions, c.Class) {
		where = append(where, "for "+joined(b.Precisions))
	}
	if len(b.Channels) > 0 && !slices.Contains(b.Channels, c.Channel) {
		where = append(where, "in channel "+joined(b.Channels))
	}
	return strings.Join(where, " ")
}

func joined[T ~string](all []T) string {
	s := make([]string, len(all))
	for i, v := range all {
		s[i] = string(v)
	}
	return strings.Join(s, ", ")
}

// endedEarly says why there are fewer samples than planned, and whether those
// that were taken are enough to fail.
func (s pointSamples) endedEarly(d stats.Decision) string {
	text := fmt.Sprintf(" (ended after %s: %d of %d samples", seconds(s.limit), d.N, s.planned)
	switch need := stats.CountFor(s.planned, s.budget); {
	case d.Answer == stats.Over:
		text += fmt.Sprintf("; %d over the budget are enough to fail", d.Count)
	case d.Count < need:
		text += fmt.Sprintf("; %d over the budget, and %d would be enough to fail", d.Count, need)
	}
	return text + ")"
}

func seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/1e9, 'g', 4, 64) + " s"
}

// sure formats the counts and the probability of a decision.
func sure(d stats.Decision, confidence float64) string {
	text := fmt.Sprintf("k=%d of n=%d over", d.Count, d.N)
	if d.Effective < float64(d.N) {
		text += fmt.Sprintf(" (as %d of %.0f independent ones)", d.EffectiveCount, d.Effective)
	}
	if d.OutOfReach {
		text += ", slow movements do not reach the budget"
	}
	sign := "≤"
	if d.Answer == stats.Unsure && d.P > 1-confidence {
		sign = ">"
	}
	return fmt.Sprintf("%s, P=%s %s %s", text, strconv.FormatFloat(d.P, 'g', 2, 64), sign, strconv.FormatFloat(1-confidence, 'g', 2, 64))
}

func (s pointSamples) warnings(d stats.Decision) (w []string) {
	switch {
	case math.IsInf(s.noise.Spread, 1):
		w = append(w, fmt.Sprintf("the calibration loop was timed fewer than %d times: how steady the machine was is unknown", stats.MinCalibration))
	case s.noise.Spread > stats.MaxSpread:
		w = append(w, fmt.Sprintf("the machine was unsteady: the calibration loop's p90 is %.2f × its median, over %.2f", s.noise.Spread, stats.MaxSpread))
	}
	if s.noise.Stolen > stats.MaxStolen {
		w = append(w, fmt.Sprintf("%.1f %% of the time was stolen by the hypervisor, over %.0f %%", 100*s.noise.Stolen, 100*stats.MaxStolen))
	}
	if d.Effective < float64(d.N)/4 {
		w = append(w, fmt.Sprintf("the samples depend on each other: %d are worth %.0f", d.N, d.Effective))
	}
	return w
}

// inconclusiveAdvice says how to get a decision.
func (s pointSamples) inconclusiveAdvice(b policy.Budget, before stats.Decision) string {
	switch {
	case before.N == 0:
		return "Measure again: there are no samples at this length."
	case s.ended():
		return fmt.Sprintf("The samples took so long that the time limit ended them after %s in each launch, and the missing ones are not known. Raise latency.sampling_timeout in policy.yaml, or look first at why one text takes %s at this length.",
			seconds(s.limit), Milliseconds(stats.Percentile(s.all, 0.5)))
	case before.Answer == stats.Within:
		return fmt.Sprintf("It would pass on a quiet machine, but this one was so unsteady that the margin to %s may be chance. Stop what else runs there, or use another machine, and measure again.", b.Budget)
	case before.Effective < float64(before.N)/2:
		return "The samples move slowly together (heat, clock speed, other load), so that they count as few independent ones. Let the machine settle, or raise latency.launches and latency.samples in policy.yaml, and measure again."
	}
	return fmt.Sprintf("The measured value is too near the budget of %s for a decision with %d samples. Raise latency.samples in policy.yaml, or make the model clearly faster.", b.Budget, before.N)
}

func Milliseconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/float64(time.Millisecond), 'f', 2, 64) + " ms"
}
