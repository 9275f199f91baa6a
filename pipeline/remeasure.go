package pipeline

import (
	"context"
	"strings"

	"github.com/embedgate/embedgate/validate/verdict"
)

// remeasureUndecided measures once more what the channel requires and the gate could
// not decide, as often as the policy's latency.attempts lets. New evidence
// takes the old one's place whole, and is judged as the old one was: attempts
// share the error that the policy allows, so that trying again buys time on a
// noisy machine and no luck. A FAIL is never tried again.
type remeasureUndecided struct{}

func (remeasureUndecided) String() string { return "remeasure" }

func (remeasureUndecided) Run(ctx context.Context, s *State) error {
	for n := 2; n <= s.Policy.Latency.Attempts && s.Verdict.Result == verdict.Inconclusive; n++ {
		rows := undecided(s.Verdict)
		s.say("%s: inconclusive, so measured again: attempt %d of the %d that latency.attempts allows",
			strings.Join(names(rows), ", "), n, s.Policy.Latency.Attempts)
		for _, r := range rows {
			if err := s.measure(ctx, r.Provider, r.Variant, r.CPU); err != nil {
				return err
			}
		}
		if err := (judge{}).Run(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// undecided are the required rows without an answer.
func undecided(v verdict.Verdict) (rows []verdict.Row) {
	for _, r := range v.Rows {
		if r.Required && r.Result == verdict.Inconclusive {
			rows = append(rows, r)
		}
	}
	return rows
}

func names(rows []verdict.Row) (all []string) {
	for _, r := range rows {
		all = append(all, r.Provider+" × "+r.Variant)
	}
	return all
}
