package gate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// markBest marks, for each provider, the fastest of its rows that passed: by
// the median at the longest length that gates all of them (else the longest
// that all have). Equally fast ones go to the higher precision, then by name.
// Which one is best depends on the evidence alone, not on its order.
func markBest(in check.Input, rows []verdict.Row) {
	byProvider := map[string][]int{}
	for i, r := range rows {
		if r.Result == verdict.Pass && r.CPU == "" { // an emulator has no times to compare
			byProvider[r.Provider] = append(byProvider[r.Provider], i)
		}
	}
	for _, mine := range byProvider {
		at, ok := comparedAt(in, rows, mine)
		if !ok {
			continue
		}
		best := slices.MinFunc(mine, func(a, b int) int {
			return cmp.Or(
				cmp.Compare(latencyAt(rows[a], at).P50NS, latencyAt(rows[b], at).P50NS),
				cmp.Compare(rankOf(in, rows[a]), rankOf(in, rows[b])),
				strings.Compare(rows[a].Variant, rows[b].Variant))
		})
		rows[best].Best = true
	}
}

// rankOf returns 0 for the highest precision.
func rankOf(in check.Input, r verdict.Row) int {
	i := slices.Index(candidate.Precisions(), in.Policy.Class(r.Provider, r.Variant))
	if i < 0 {
		return len(candidate.Precisions())
	}
	return i
}

func latencyAt(r verdict.Row, p evidence.LatencyPoint) verdict.LatencySummary {
	i := slices.IndexFunc(r.Latency, func(l verdict.LatencySummary) bool { return l.LatencyPoint == p })
	if i < 0 {
		return verdict.LatencySummary{}
	}
	return r.Latency[i]
}

// comparedAt returns the longest point that these rows share. A point that gates
// all of them is preferred to one that does not.
func comparedAt(in check.Input, rows []verdict.Row, mine []int) (longest evidence.LatencyPoint, ok bool) {
	gated := false
	for _, b := range in.Policy.Latency.Budgets {
		p, all, gates := evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}, true, true
		for _, i := range mine {
			all = all && latencyAt(rows[i], p).N > 0
			gates = gates && b.Gates(in.Channel, in.Policy.Class(rows[i].Provider, rows[i].Variant))
		}
		longer := cmp.Or(cmp.Compare(p.Tokens, longest.Tokens), cmp.Compare(p.Batch, longest.Batch)) > 0
		if all && (!ok || gates && !gated || gates == gated && longer) {
			longest, gated, ok = p, gates, true
		}
	}
	return longest, ok
}
