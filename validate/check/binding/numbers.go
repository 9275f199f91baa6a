package binding

import (
	"slices"
	"time"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/verdict"
)

// numbersOf refuses numbers that no machine can have measured.
func numbersOf(c check.Case) verdict.Finding {
	var p check.Problems
	e := c.Evidence
	for _, r := range e.Latency {
		if i := slices.IndexFunc(r.SamplesNS, tooShort); i >= 0 {
			p.Add("%s, launch %d: sample %d lasts %d ns", r.Label(), r.Launch, i, r.SamplesNS[i])
		}
		if i := slices.IndexFunc(r.CalibrationNS, notPositive); i >= 0 {
			p.Add("%s, launch %d: calibration %d lasts %d ns", r.Label(), r.Launch, i, r.CalibrationNS[i])
		}
		if r.StealTicks < -1 || r.StealTicks >= 0 && r.StealTicks > r.TotalTicks {
			p.Add("%s, launch %d: %d of %d ticks stolen", r.Label(), r.Launch, r.StealTicks, r.TotalTicks)
		}
	}
	for _, s := range e.Cold {
		switch {
		case tooShort(s.LoadNS) || tooShort(s.FirstNS) || tooShort(s.FromStartNS):
			p.Add("cold start of launch %d: %d ns to load, %d ns to the first vector, %d ns from the start", s.Launch, s.LoadNS, s.FirstNS, s.FromStartNS)
		case s.LoadNS > s.FromStartNS+int64(clockSlack) || s.FirstNS > s.FromStartNS-s.LoadNS+int64(clockSlack):
			p.Add("cold start of launch %d: loading and the first vector take longer than the whole", s.Launch)
		}
	}
	for _, m := range e.Memory {
		if m.RSS < good.Smallest {
			p.Add("memory of launch %d: %d bytes", m.Launch, m.RSS)
		}
	}
	if m := e.Machine; m.OS == "" || m.Arch == "" || m.CPU == "" || m.Cores < 1 {
		p.Add("a machine without a system, a processor or a core: %q, %q, %q, %d cores", text.Clip(m.OS), text.Clip(m.Arch), text.Clip(m.CPU), m.Cores)
	}
	if e.Useful < 0 || e.Computed < e.Useful {
		p.Add("%d useful tokens of %d computed", e.Useful, e.Computed)
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "numbers", Measured: "possible", Threshold: "durations and sizes that a machine can have, parts within the whole",
		Next: "Measure again; if the same happens, the clock of that machine is broken or the evidence was edited.",
	})
}

func notPositive(n int64) bool { return n <= 0 }

func tooShort(n int64) bool { return n < int64(good.Shortest) }

// clockSlack is how far two clocks of one machine may disagree.
const clockSlack = 20 * time.Millisecond
