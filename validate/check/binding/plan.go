package binding

import (
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/speed"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// planOfCase proves that exactly the planned samples are there. Whoever may
// leave samples out, or repeat a measurement until it is good, can pass
// anything.
func planOfCase(c check.Case) verdict.Finding {
	var p check.Problems
	e := c.Evidence
	want := c.Plan
	if e.Plan.Launches != want.Launches || e.Plan.Samples != want.Samples {
		p.Add("planned %d samples over %d launches, the policy wants %d over %d", e.Plan.Samples, e.Plan.Launches, want.Samples, want.Launches)
	}
	if !samePoints(e.Plan.Points, want.Points) {
		p.Add("planned other lengths than the policy: %v, wanted %v", text.Clip(points(e.Plan.Points)), points(want.Points))
	}
	if !samePoints(e.Plan.Brief, want.Brief) {
		p.Add("planned few samples at %v, and only lengths that the channel reports may have few", text.Clip(points(e.Plan.Brief)))
	}
	if !slices.Equal(e.Plan.Texts, want.Texts) {
		p.Add("planned %d golden texts, or others than the policy's %d", len(e.Plan.Texts), len(want.Texts))
	}
	if e.Plan.LimitNS != want.LimitNS {
		p.Add("planned a limit of %s, the policy wants %s", speed.Milliseconds(e.Plan.LimitNS), speed.Milliseconds(want.LimitNS))
	}
	if !slices.Equal(e.Plan.Recorded, want.Recorded) {
		p.Add("planned other lengths to record than the policy: %v, wanted %v", text.Clip(fmt.Sprint(e.Plan.Recorded)), want.Recorded)
	}
	if !samePairs(e.Plan.Pairs, want.Pairs) {
		p.Add("planned another comparison than the policy")
	}
	if want.Pairs == nil && len(e.Pairs) > 0 {
		p.Add("a comparison that was not planned")
	}
	p = append(p, samplesPlanned(e, want)...)
	p = append(p, launchesPlanned(e, want)...)
	measured := text.Plural(len(want.Texts), "text", "texts") + ", nothing timed"
	if c.CPU == "" {
		measured = text.Plural(want.Samples, "sample", "samples") + " × " + text.Plural(len(want.Points), "length", "lengths") + " over " + text.Plural(want.Launches, "launch", "launches")
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "plan", Measured: measured,
		Threshold: "exactly what the policy planned",
		Next:      "Measure again, whole; samples that were left out, added or repeated prove nothing.",
	})
}

// samplesPlanned compares the latency samples with the plan. Where the time
// limit ended a launch, it has as many samples as there was time for.
func samplesPlanned(e evidence.Evidence, want evidence.Plan) (p check.Problems) {
	type at struct {
		evidence.LatencyPoint
		launch int
	}
	seen := map[at]int{}
	for _, r := range e.Latency {
		seen[at{r.LatencyPoint, r.Launch}]++
		switch {
		case !slices.Contains(want.Points, r.LatencyPoint):
			p.Add("samples at %s, which the policy does not name", r.Label())
		case r.Launch < 1 || r.Launch > want.LaunchesAt(r.LatencyPoint):
			p.Add("%s: launch %d of %d", r.Label(), r.Launch, want.LaunchesAt(r.LatencyPoint))
		}
	}
	least := want.Samples / max(want.Launches, 1)
	for _, pt := range want.Points {
		total, ended := 0, false
		for launch := 1; launch <= want.LaunchesAt(pt); launch++ {
			if n := seen[at{pt, launch}]; n != 1 {
				p.Add("%s: launch %d is there %d times, not once", pt.Label(), launch, n)
			}
		}
		for _, r := range e.Latency {
			if r.LatencyPoint == pt {
				n := len(r.SamplesNS)
				total += n
				switch {
				case !evidence.Complete(r.SamplesNS, least, want.LimitNS):
					p.Add("%s: %d samples in launch %d, an equal share is %d, or what the limit leaves time for", pt.Label(), n, r.Launch, least)
				case n < least:
					ended = true
				}
			}
		}
		if n := want.SamplesAt(pt); total != n && !ended {
			p.Add("%s: %d samples, not %d", pt.Label(), total, n)
		}
	}
	return p
}

// launchesPlanned proves that there is a cold start and a memory peak for each
// launch.
func launchesPlanned(e evidence.Evidence, want evidence.Plan) (p check.Problems) {
	for _, l := range []struct {
		what     string
		launches []int
	}{
		{"cold start", launchesOf(e.Cold, func(s evidence.ColdStart) int { return s.Launch })},
		{"memory", launchesOf(e.Memory, func(s evidence.MemoryPeak) int { return s.Launch })},
	} {
		for launch := 1; launch <= want.Launches; launch++ {
			if !slices.Contains(l.launches, launch) {
				p.Add("%s of launch %d is missing", l.what, launch)
			}
		}
		slices.Sort(l.launches)
		if n := len(l.launches); len(slices.Compact(l.launches)) != n {
			p.Add("%s: a launch is there twice", l.what)
		}
	}
	return p
}

func samePairs(a, b *evidence.PairPlan) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Provider == b.Provider && a.Variant == b.Variant && a.Rounds == b.Rounds && a.Samples == b.Samples && slices.Equal(a.Tokens, b.Tokens)
}

func launchesOf[T any](all []T, launch func(T) int) (l []int) {
	for _, a := range all {
		l = append(l, launch(a))
	}
	return l
}

func samePoints(a, b []evidence.LatencyPoint) bool {
	return len(a) == len(b) && HoldsAll(a, b) && HoldsAll(b, a)
}

// HoldsAll reports whether all contains each of some.
func HoldsAll(all, some []evidence.LatencyPoint) bool {
	return !slices.ContainsFunc(some, func(p evidence.LatencyPoint) bool { return !slices.Contains(all, p) })
}

func points(all []evidence.LatencyPoint) (s string) {
	for i, p := range all {
		if i == evidence.MaxPoints {
			return s + ", …"
		}
		if i > 0 {
			s += ", "
		}
		s += p.Label()
	}
	return s
}
