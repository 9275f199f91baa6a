package validate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/embedgate/embedgate/validate/stats"
)

// worthCheck proves that a provider is faster than another one on the same
// machine: an accelerator that is not only costs.
func worthCheck() check {
	return check{
		name:    "worth-it",
		applies: func(c gateCase) bool { return c.plan.Pairs != nil },
		holds:   func(Evidence) bool { return false },
		studies: true,
		judge:   judgeWorth,
		bad:     badWorth(),
	}
}

func judgeWorth(c gateCase) opinion {
	w := c.policy.WorthIt
	if w == nil || w.Speedup == nil {
		return opinion{findings: []Finding{{
			Check: "worth-it", Item: "threshold", Result: Fail, Measured: "none", Threshold: "a speedup",
			Next: "Add worth_it.speedup to the policy; a gate without a threshold proves nothing.",
		}}}
	}
	rounds, whole := roundsOf(c)
	o := opinion{findings: []Finding{whole}}
	if whole.Result != Pass {
		return o
	}
	for _, tokens := range c.plan.Pairs.Tokens {
		f, s := judgeRounds(c, tokens, rounds[tokens])
		o.findings, o.worth = append(o.findings, f), append(o.worth, s)
	}
	return o
}

// A round is both sides' median at one length, in ns.
type round struct{ mine, other int64 }

// judgeRounds tests one length: each round is won or lost, so that neither a
// slow round nor an outlier in one decides more than itself.
func judgeRounds(c gateCase, tokens int, rounds []round) (Finding, WorthSummary) {
	w := c.policy.WorthIt
	won := 0
	ratios := make([]float64, len(rounds))
	for i, r := range rounds {
		ratios[i] = float64(r.other) / float64(r.mine)
		if ratios[i] >= *w.Speedup {
			won++
		}
	}
	ratio := stats.Percentile(ratios, 0.5)
	answer, p := stats.SignTest(won, len(rounds), w.Confidence)
	against := w.Provider + " × " + w.Variant
	s := WorthSummary{Tokens: tokens, Against: against, Speedup: settled(ratio), Won: won, Rounds: len(rounds)}
	f := Finding{
		Check: "worth-it", Item: LatencyPoint{tokens, 1}.Label(), Value: settled(ratio),
		Measured:  fmt.Sprintf("%s × as fast as %s", factor(ratio), against),
		Threshold: "≥ " + factor(*w.Speedup) + " ×",
		Sure:      fmt.Sprintf("%d of %d rounds won, P=%s", won, len(rounds), strconv.FormatFloat(p, 'g', 2, 64)),
	}
	switch answer {
	case stats.Within:
		f.Result = Pass
	case stats.Over:
		f.Result = Fail
		f.Next = fmt.Sprintf("On this machine %s is not worth it: the same text is ready sooner on %s. Ship %s there, use %s for longer texts or batches, or lower worth_it.speedup if it pays in other ways.",
			c.evidence.Provider, against, w.Provider, c.evidence.Provider)
	default:
		f.Result = Inconclusive
		f.Next = fmt.Sprintf("It won some rounds and lost others: %s and %s are too near to each other to tell. Raise worth_it.rounds, or let the machine settle, and measure again.", c.evidence.Provider, against)
	}
	return f, s
}

// factor writes three digits: 0.0021, 1.35, 12.4.
func factor(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// roundsOf proves that the comparison is as planned: in each round one process
// of each side, the first one another time each, each length once in both, and
// the planned samples in it. It returns the medians by length.
func roundsOf(c gateCase) (map[int][]round, Finding) {
	plan := c.plan.Pairs
	var p problems
	type at struct{ round, tokens, side int }
	runs := map[at]PairedRun{}
	for _, r := range c.evidence.Pairs {
		side := sideOf(c, r)
		k := at{r.Round, r.Tokens, side}
		_, twice := runs[k]
		switch {
		case side < 0:
			p.add("round %d is of %s × %s", r.Round, clip(r.Provider), clip(r.Variant))
		case r.Round < 1 || r.Round > plan.Rounds:
			p.add("round %d of %d", r.Round, plan.Rounds)
		case !slices.Contains(plan.Tokens, r.Tokens):
			p.add("round %d: a text of %d tokens, which nobody planned", r.Round, r.Tokens)
		case r.Order != 0 && r.Order != 1:
			p.add("round %d: process %d of 2", r.Round, r.Order)
		case twice:
			p.add("round %d, %d tokens: %s is there twice", r.Round, r.Tokens, clip(r.Provider))
		case !complete(r.SamplesNS, plan.Samples, c.plan.pairLimit()):
			p.add("round %d, %d tokens: %d samples of %s, wanted %d", r.Round, r.Tokens, len(r.SamplesNS), clip(r.Provider), plan.Samples)
		default:
			for i, n := range r.SamplesNS {
				if n <= 0 {
					p.add("round %d, %d tokens: sample %d of %s lasts %d ns", r.Round, r.Tokens, i, clip(r.Provider), n)
					break
				}
			}
			runs[k] = r
		}
	}
	medians := map[int][]round{}
	first := -1
	for n := 1; n <= plan.Rounds; n++ {
		order := -1
		for _, tokens := range plan.Tokens {
			mine, ok := runs[at{n, tokens, 0}]
			other, ok2 := runs[at{n, tokens, 1}]
			if !ok || !ok2 {
				p.add("round %d, %d tokens: not one process of each side", n, tokens)
				continue
			}
			if mine.Order == other.Order || order >= 0 && mine.Order != order {
				p.add("round %d: both sides at once", n)
			}
			order = mine.Order
			medians[tokens] = append(medians[tokens], round{stats.Percentile(mine.SamplesNS, 0.5), stats.Percentile(other.SamplesNS, 0.5)})
		}
		if order >= 0 && order == first {
			p.add("rounds %d and %d begin with the same side", n-1, n)
		}
		first = order
	}
	if len(plan.Tokens) == 0 {
		p.add("no length of the policy fits this file")
	}
	return medians, p.finding(Finding{
		Check: "worth-it", Item: "rounds", Measured: fmt.Sprintf("%d, in alternating order", plan.Rounds),
		Threshold: fmt.Sprintf("%d of both sides, in alternating order", plan.Rounds),
		Next:      "Measure again, whole: who may leave a round out, or choose who begins, chooses the result.",
	})
}

// sideOf is 0 for the provider × variant itself, 1 for what it is compared
// with, -1 for anything else.
func sideOf(c gateCase, r PairedRun) int {
	switch {
	case r.Provider == c.plan.Pairs.Provider && r.Variant == c.plan.Pairs.Variant:
		return 1
	case r.Provider == c.evidence.Provider && r.Variant == c.evidence.Variant:
		return 0
	}
	return -1
}
