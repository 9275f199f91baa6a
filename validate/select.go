package validate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/export/candidate"
)

// markBest marks, for each provider, the fastest of its rows that passed: by
// the median at the longest length that gates all of them (else the longest
// that all have). Equally fast ones go to the higher precision, then by name.
// Which one is best depends on the evidence alone, not on its order.
func (in Input) markBest(rows []Row) {
	byProvider := map[string][]int{}
	for i, r := range rows {
		if r.Result == Pass && r.CPU == "" { // an emulator has no times to compare
			byProvider[r.Provider] = append(byProvider[r.Provider], i)
		}
	}
	for _, mine := range byProvider {
		at, ok := in.comparedAt(rows, mine)
		if !ok {
			continue
		}
		best := slices.MinFunc(mine, func(a, b int) int {
			return cmp.Or(
				cmp.Compare(rows[a].at(at).P50NS, rows[b].at(at).P50NS),
				cmp.Compare(in.rank(rows[a]), in.rank(rows[b])),
				strings.Compare(rows[a].Variant, rows[b].Variant))
		})
		rows[best].Best = true
	}
}

// rank is 0 for the highest precision.
func (in Input) rank(r Row) int {
	i := slices.Index(candidate.Precisions(), in.Policy.Class(r.Provider, r.Variant))
	if i < 0 {
		return len(candidate.Precisions())
	}
	return i
}

func (r Row) at(p LatencyPoint) LatencySummary {
	i := slices.IndexFunc(r.Latency, func(l LatencySummary) bool { return l.LatencyPoint == p })
	if i < 0 {
		return LatencySummary{}
	}
	return r.Latency[i]
}

// comparedAt is the longest point that these rows share, one that gates each of
// them before any other.
func (in Input) comparedAt(rows []Row, mine []int) (longest LatencyPoint, ok bool) {
	gated := false
	for _, b := range in.Policy.Latency.Budgets {
		p, all, gates := LatencyPoint{b.Tokens, b.Batch}, true, true
		for _, i := range mine {
			all = all && rows[i].at(p).N > 0
			gates = gates && b.Gates(in.Channel, in.Policy.Class(rows[i].Provider, rows[i].Variant))
		}
		longer := cmp.Or(cmp.Compare(p.Tokens, longest.Tokens), cmp.Compare(p.Batch, longest.Batch)) > 0
		if all && (!ok || gates && !gated || gates == gated && longer) {
			longest, gated, ok = p, gates, true
		}
	}
	return longest, ok
}
