package evidence

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
)

// Plan is what was fixed before measuring.
type Plan struct {
	Launches int            `json:"launches"` // latency processes
	Samples  int            `json:"samples"`  // per length, over all launches together
	LimitNS  int64          `json:"limit_ns"` // after which a launch's samples at one length end; 0: never
	Points   []LatencyPoint `json:"points"`
	// Brief are the points that the channel only reports: only the first
	// launches measure them. Empty where the channel was not known before.
	Brief    []LatencyPoint `json:"brief,omitempty"`
	Texts    []int          `json:"texts"`           // indices of the golden texts, ascending
	Recorded []int          `json:"recorded"`        // lengths in tokens, batch 1, whose placement is recorded
	Pairs    *PairPlan      `json:"pairs,omitempty"` // nil: nothing is compared
}

// PairPlan is a comparison with another provider on the same machine: rounds of
// two processes, one of each, in alternating order.
type PairPlan struct {
	Provider string `json:"provider"` // the other one
	Variant  string `json:"variant"`
	Rounds   int    `json:"rounds"`
	Samples  int    `json:"samples"` // of each length in each process
	Tokens   []int  `json:"tokens"`  // lengths, batch 1
}

// LatencyPoint is one combination of length and batch size at which latency is
// measured, from text to vector. Tokens counts [CLS] and [SEP] too.
type LatencyPoint struct {
	Tokens int `json:"tokens"`
	Batch  int `json:"batch"`
}

// PairLimit returns the time limit for one process of a comparison, in ns: half
// of a launch's, since a round has two processes.
func (p Plan) PairLimit() int64 { return p.LimitNS / 2 }

// Complete reports whether a process took the planned samples: all of them, or
// as many as there was time for within the limit (0: none). The sample that
// reaches the limit is the last.
func Complete(samples []int64, want int, limit int64) bool {
	if len(samples) == 0 || len(samples) > want {
		return false
	}
	last := len(samples) - 1
	before := 0.0
	for _, n := range samples[:last] {
		before += float64(n)
	}
	switch {
	case limit <= 0:
		return len(samples) == want
	case before >= float64(limit):
		return false
	}
	return len(samples) == want || before+float64(samples[last]) >= float64(limit)
}

// PlanFor returns what is measured for a provider × variant. It depends only on
// the policy, the golden and the shape of the variant's file, so that no result
// can change it. A file of fixed length is measured at the lengths that fit.
func PlanFor(p policy.Policy, g golden.Set, provider, variant string, file candidate.Variant) Plan {
	longest := math.MaxInt
	if _, cols, ok := file.Fixed(); ok {
		longest = cols
	}
	l := p.Latency
	plan := Plan{
		Launches: p.LaunchesOf(provider), Samples: l.Samples, LimitNS: l.SamplingTimeout.Nanoseconds(),
		Points: []LatencyPoint{}, Texts: TextsOf(g, p.Providers[provider].Texts, longest), Recorded: []int{},
	}
	for _, b := range l.Budgets {
		pt := LatencyPoint{b.Tokens, b.Batch}
		if b.Tokens > longest || slices.Contains(plan.Points, pt) {
			continue
		}
		plan.Points = append(plan.Points, pt)
		if !slices.Contains(plan.Recorded, b.Tokens) {
			plan.Recorded = append(plan.Recorded, b.Tokens)
		}
	}
	if w := p.WorthIt; w != nil && w.Provider != provider {
		plan.Pairs = &PairPlan{
			Provider: w.Provider, Variant: w.Variant, Rounds: w.Rounds, Samples: w.Samples,
			Tokens: slices.DeleteFunc(slices.Clone(w.Tokens), func(n int) bool { return n > longest }),
		}
	}
	return plan
}

// portableTexts is the number of golden texts that are measured on an emulated
// processor: enough for every group of texts, and few enough for some minutes.
const portableTexts = 48

// portableTokens is the length of the longest text that is measured there, if
// its group has shorter ones. A token of all-MiniLM-L6-v2 takes 0.2 s there, so
// that one long text, and the texts that are padded to its length, would take
// longer than all others. Batches of 32 have as many rows for the kernels as
// long texts.
const portableTokens = 24

// One in briefShare launches measures a point that the channel only reports:
// nothing is decided there, and long texts take most of the time.
const briefShare = 5

// For returns the plan for one channel and class: the points at which the
// channel gates no budget are measured briefly.
func (p Plan) For(l policy.Latency, channel string, class candidate.Precision) Plan {
	gated := p.Gated(l, channel, class)
	p.Brief = slices.DeleteFunc(slices.Clone(p.Points), func(pt LatencyPoint) bool { return slices.Contains(gated, pt) })
	return p
}

// Gated returns the points at which the channel gates a budget for a class.
func (p Plan) Gated(l policy.Latency, channel string, class candidate.Precision) []LatencyPoint {
	return slices.DeleteFunc(slices.Clone(p.Points), func(pt LatencyPoint) bool {
		return !slices.ContainsFunc(l.Budgets, func(b policy.Budget) bool {
			return pt == LatencyPoint{b.Tokens, b.Batch} && b.Gates(channel, class)
		})
	})
}

// LaunchesAt returns how many launches measure a point, counted from the first.
func (p Plan) LaunchesAt(pt LatencyPoint) int {
	if slices.Contains(p.Brief, pt) {
		return (p.Launches + briefShare - 1) / briefShare
	}
	return p.Launches
}

// SamplesAt returns how many samples are taken at a point in all its launches.
func (p Plan) SamplesAt(pt LatencyPoint) int {
	if !slices.Contains(p.Brief, pt) {
		return p.Samples
	}
	return p.Samples / p.Launches * p.LaunchesAt(pt)
}

// PortabilityPlan returns what is measured for a variant's file on another
// processor: only vectors and ids, since time and memory mean nothing under an
// emulator.
func PortabilityPlan(g golden.Set, file candidate.Variant) Plan {
	longest := math.MaxInt
	if _, cols, ok := file.Fixed(); ok {
		longest = cols
	}
	return Plan{Points: []LatencyPoint{}, Texts: ofEveryGroup(g, portableTexts, longest), Recorded: []int{}}
}

// ofEveryGroup selects about n of the golden texts of at most longest tokens:
// from each group its share and at least one, evenly spaced from the shortest
// to the longest.
func ofEveryGroup(g golden.Set, n, longest int) []int {
	groups, fit := map[string][]int{}, TextsOf(g, 0, longest)
	for _, i := range fit {
		groups[g.Texts[i].Group] = append(groups[g.Texts[i].Group], i)
	}
	long := func(i int) bool { return len(g.IDs[i]) > portableTokens }
	for name, mine := range groups {
		if short := slices.DeleteFunc(slices.Clone(mine), long); len(short) > 0 {
			groups[name] = short
		}
	}
	picked := []int{}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		mine := groups[name]
		slices.SortStableFunc(mine, func(a, b int) int { return cmp.Compare(len(g.IDs[a]), len(g.IDs[b])) })
		share := min(len(mine), max(1, (n*len(mine)+len(fit)-1)/len(fit))) // rounded up: n or more in all
		for k := range share {
			picked = append(picked, mine[k*(len(mine)-1)/max(share-1, 1)])
		}
	}
	slices.Sort(picked)
	return picked
}

// TextsOf selects at most n of the golden texts of at most longest tokens (n 0:
// all of them), evenly spaced in the order of their length, so that the sample
// has all lengths.
func TextsOf(g golden.Set, n, longest int) []int {
	fit := []int{}
	for i, ids := range g.IDs {
		if len(ids) <= longest {
			fit = append(fit, i)
		}
	}
	if n <= 0 || n >= len(fit) {
		return fit
	}
	slices.SortStableFunc(fit, func(a, b int) int { return cmp.Compare(len(g.IDs[a]), len(g.IDs[b])) })
	picked := make([]int, n)
	for k := range picked {
		picked[k] = fit[k*(len(fit)-1)/max(n-1, 1)]
	}
	slices.Sort(picked)
	return picked
}

// SessionOptions are the options with which a policy has a variant's session
// opened: for measuring, and for whoever uses what was measured.
func SessionOptions(p policy.Policy, provider, variant string) providers.Options {
	wish := p.Providers[provider]
	return providers.Options{
		Threads: wish.Threads, Provider: p.OptionsOf(provider, variant),
		Strict: wish.Placement != nil && wish.Placement.Strict, IOBinding: wish.IOBinding,
	}
}
