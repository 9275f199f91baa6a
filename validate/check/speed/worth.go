package speed

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/stats"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Worth proves that a provider is faster than another one on the same machine.
// An accelerator that is not faster is not worth its cost.
func Worth() check.Check {
	return check.Check{
		Name:        "worth-it",
		Applies:     func(c check.Case) bool { return c.Plan.Pairs != nil },
		HasData:     func(evidence.Evidence) bool { return false },
		UsesNumbers: true,
		Judge:       judgeWorth,
		KnownBad:    badWorth(),
	}
}

func judgeWorth(c check.Case) check.Result {
	w := c.Policy.WorthIt
	if w == nil || w.Speedup == nil {
		return check.Result{Findings: []verdict.Finding{{
			Check: "worth-it", Item: "threshold", Result: verdict.Fail, Measured: "none", Threshold: "a speedup",
			Next: "Add worth_it.speedup to the policy; a gate without a threshold proves nothing.",
		}}}
	}
	rounds, whole := roundsOf(c)
	o := check.Result{Findings: []verdict.Finding{whole}}
	if whole.Result != verdict.Pass {
		return o
	}
	for _, tokens := range c.Plan.Pairs.Tokens {
		f, s := judgeRounds(c, tokens, rounds[tokens])
		o.Findings, o.Worth = append(o.Findings, f), append(o.Worth, s)
	}
	return o
}

// roundMedians are the medians of both providers in one round at one length, in
// ns.
type roundMedians struct{ mine, other int64 }

// judgeRounds tests one length. Each round is won or lost, so that a slow round
// or an outlier counts only once.
func judgeRounds(c check.Case, tokens int, rounds []roundMedians) (verdict.Finding, verdict.WorthSummary) {
	w := c.Policy.WorthIt
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
	s := verdict.WorthSummary{Tokens: tokens, Against: against, Speedup: check.Rounded(ratio), Won: won, Rounds: len(rounds)}
	f := verdict.Finding{
		Check: "worth-it", Item: evidence.LatencyPoint{Tokens: tokens, Batch: 1}.Label(), Value: check.Rounded(ratio),
		Measured:  fmt.Sprintf("%s × as fast as %s", factor(ratio), against),
		Threshold: "≥ " + factor(*w.Speedup) + " ×",
		Sure:      fmt.Sprintf("%d of %d rounds won, P=%s", won, len(rounds), strconv.FormatFloat(p, 'g', 2, 64)),
	}
	switch answer {
	case stats.Within:
		f.Result = verdict.Pass
	case stats.Over:
		f.Result = verdict.Fail
		f.Next = fmt.Sprintf("On this machine %s is not worth it: the same text is ready sooner on %s. Ship %s there, use %s for longer texts or batches, or lower worth_it.speedup if it pays in other ways.",
			c.Evidence.Provider, against, w.Provider, c.Evidence.Provider)
	default:
		f.Result = verdict.Inconclusive
		f.Next = fmt.Sprintf("It won some rounds and lost others: %s and %s are too near to each other to tell. Raise worth_it.rounds, or let the machine settle, and measure again.", c.Evidence.Provider, against)
	}
	return f, s
}

// factor formats three digits: 0.0021, 1.35, 12.4.
func factor(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// roundsOf proves that the comparison was made as planned: each round has one
// process of each provider, another one is first in each round, and both have
// the planned samples of each length once. It returns the medians by length.
func roundsOf(c check.Case) (map[int][]roundMedians, verdict.Finding) {
	plan := c.Plan.Pairs
	var p check.Problems
	type at struct{ round, tokens, side int }
	runs := map[at]evidence.PairedRun{}
	for _, r := range c.Evidence.Pairs {
		side := sideOf(c, r)
		k := at{r.Round, r.Tokens, side}
		_, twice := runs[k]
		switch {
		case side < 0:
			p.Add("round %d is of %s × %s", r.Round, text.Clip(r.Provider), text.Clip(r.Variant))
		case r.Round < 1 || r.Round > plan.Rounds:
			p.Add("round %d of %d", r.Round, plan.Rounds)
		case !slices.Contains(plan.Tokens, r.Tokens):
			p.Add("round %d: a text of %d tokens, which was not planned", r.Round, r.Tokens)
		case r.Order != 0 && r.Order != 1:
			p.Add("round %d: process %d of 2", r.Round, r.Order)
		case twice:
			p.Add("round %d, %d tokens: %s is there twice", r.Round, r.Tokens, text.Clip(r.Provider))
		case !evidence.Complete(r.SamplesNS, plan.Samples, c.Plan.PairLimit()):
			p.Add("round %d, %d tokens: %d samples of %s, wanted %d", r.Round, r.Tokens, len(r.SamplesNS), text.Clip(r.Provider), plan.Samples)
		default:
			for i, n := range r.SamplesNS {
				if n <= 0 {
					p.Add("round %d, %d tokens: sample %d of %s lasts %d ns", r.Round, r.Tokens, i, text.Clip(r.Provider), n)
					break
				}
			}
			runs[k] = r
		}
	}
	medians := map[int][]roundMedians{}
	first := -1
	for n := 1; n <= plan.Rounds; n++ {
		order := -1
		for _, tokens := range plan.Tokens {
			mine, ok := runs[at{n, tokens, 0}]
			other, ok2 := runs[at{n, tokens, 1}]
			if !ok || !ok2 {
				p.Add("round %d, %d tokens: not one process of each side", n, tokens)
				continue
			}
			if mine.Order == other.Order || order >= 0 && mine.Order != order {
				p.Add("round %d: both sides at once", n)
			}
			order = mine.Order
			medians[tokens] = append(medians[tokens], roundMedians{stats.Percentile(mine.SamplesNS, 0.5), stats.Percentile(other.SamplesNS, 0.5)})
		}
		if order >= 0 && order == first {
			p.Add("rounds %d and %d begin with the same side", n-1, n)
		}
		first = order
	}
	if len(plan.Tokens) == 0 {
		p.Add("no length of the policy fits this file")
	}
	return medians, p.Finding(verdict.Finding{
		Check: "worth-it", Item: "rounds", Measured: fmt.Sprintf("%d, in alternating order", plan.Rounds),
		Threshold: fmt.Sprintf("%d of both sides, in alternating order", plan.Rounds),
		Next:      "Measure again, whole: whoever may leave a round out, or choose which provider is first, chooses the result.",
	})
}

// sideOf returns 0 for the provider × variant itself, 1 for the one that it is
// compared with and -1 for any other.
func sideOf(c check.Case, r evidence.PairedRun) int {
	switch {
	case r.Provider == c.Plan.Pairs.Provider && r.Variant == c.Plan.Pairs.Variant:
		return 1
	case r.Provider == c.Evidence.Provider && r.Variant == c.Evidence.Variant:
		return 0
	}
	return -1
}
