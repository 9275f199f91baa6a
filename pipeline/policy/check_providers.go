package policy

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// operator is an operator's name, as ONNX and its runtimes write one.
var operator = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,99}$`)

func (p Policy) checkProviders(bad report) {
	if len(p.Providers) == 0 {
		bad("providers: got none, wanted at least one")
	}
	for _, n := range slices.Sorted(maps.Keys(p.Providers)) {
		p.checkProvider(bad, "providers."+n, p.Providers[n])
	}
}

func (p Policy) checkProvider(bad report, at string, q Provider) {
	if len(q.Variants) == 0 {
		bad("%s.variants: got none, wanted at least one", at)
	}
	for i, v := range q.Variants {
		if _, ok := p.Variants[v]; !ok {
			bad("%s.variants: got %q, wanted one of %q", at, v, slices.Sorted(maps.Keys(p.Variants)))
		}
		if slices.Contains(q.Variants[:i], v) {
			bad("%s.variants: %q is there twice", at, v)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(q.EffectivePrecision)) {
		if !slices.Contains(q.Variants, v) {
			bad("%s.effective_precision: got %q, wanted one of the provider's variants %q", at, v, q.Variants)
		}
		p.checkClass(bad, at+".effective_precision", v, q.EffectivePrecision[v])
	}
	checkOptions(bad, at, q.Options)
	if q.Threads < 0 || q.Threads > 1024 {
		bad("%s.threads: got %d, wanted 0 (every core) to 1024", at, q.Threads)
	}
	if n := q.Launches; n < 0 || n > 100 || n > 0 && p.Latency.Samples%n != 0 {
		bad("%s.launches: got %d, wanted a part of latency.samples (%d) up to 100, or 0 for latency.launches", at, n, p.Latency.Samples)
	}
	// Ranking wants three texts, and fewer stand for nothing.
	if q.Texts != 0 && (q.Texts < 3 || q.Texts > 1<<20) {
		bad("%s.texts: got %d, wanted 3 or more, or 0 for all", at, q.Texts)
	}
	if q.ColdStart != nil && q.ColdStart.Budget <= 0 {
		bad("%s.cold_start.budget: got %v, wanted a time above zero such as 5s", at, q.ColdStart.Budget)
	}
	if q.Memory != nil && q.Memory.Budget <= 0 {
		bad("%s.memory.budget: got %d, wanted a size above zero such as 600MiB", at, q.Memory.Budget)
	}
	checkPortability(bad, at, q.Portability)
	if q.Placement == nil {
		bad("%s.placement: a gate needs its threshold; got none, wanted {min_flops: …, allowed_fallback: [operators that may run on another provider]}", at)
		return
	}
	l := q.Placement
	share(bad, at+".placement.min_flops", l.MinFLOPs, true)
	share(bad, at+".placement.min_nodes", l.MinNodes, false)
	share(bad, at+".placement.min_time", l.MinTime, false)
	for i, op := range l.AllowedFallback {
		if !operator.MatchString(op) {
			bad("%s.placement.allowed_fallback: got %q, wanted an operator's name, such as Shape", at, op)
		}
		if slices.Contains(l.AllowedFallback[:i], op) {
			bad("%s.placement.allowed_fallback: %q is there twice", at, op)
		}
	}
}

// cpus are the processors that can be emulated; a test holds the list against
// the providers' own, which this package must not know.
var cpus = []string{"x86-64-v2", "x86-64-v3", "arm64"}

func checkPortability(bad report, at string, names []string) {
	for i, c := range names {
		if !slices.Contains(cpus, c) {
			bad("%s.portability: got %q, wanted some of %q", at, c, cpus)
		}
		if slices.Contains(names[:i], c) {
			bad("%s.portability: %q is there twice", at, c)
		}
	}
}

// checkOptions refuses what no runtime could be given: names and values are C
// strings there.
func checkOptions(bad report, at string, options map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(options)) {
		if k == "" || strings.ContainsRune(k+options[k], 0) {
			bad("%s.options: got the option %q, wanted a name and a value without a NUL", at, k)
		}
	}
}

// mostRounds is more than any comparison needs: each is two processes.
const mostRounds = 1000

func (p Policy) checkWorthIt(bad report) {
	w := p.WorthIt
	if w == nil {
		return
	}
	if q, ok := p.Providers[w.Provider]; !ok {
		bad("worth_it.provider: got %q, wanted one of %q", w.Provider, slices.Sorted(maps.Keys(p.Providers)))
	} else if !slices.Contains(q.Variants, w.Variant) {
		bad("worth_it.variant: got %q, wanted one of %s's variants %q", w.Variant, w.Provider, q.Variants)
	}
	if len(w.Tokens) == 0 {
		bad("worth_it.tokens: got none, wanted at least one length")
	}
	for i, n := range w.Tokens {
		if n < 2 || n > 1<<16 {
			bad("worth_it.tokens: got %d, wanted 2 to 65536 ([CLS] and [SEP] included)", n)
		}
		if slices.Contains(w.Tokens[:i], n) {
			bad("worth_it.tokens: %d is there twice", n)
		}
	}
	if w.Samples < 1 || w.Samples > 1_000 {
		bad("worth_it.samples: got %d, wanted 1 to 1000 of each length in each process", w.Samples)
	}
	positive(bad, "worth_it.speedup", w.Speedup, true)
	if !(w.Confidence >= 0.5 && w.Confidence < 1) {
		bad("worth_it.confidence: got %v, wanted 0.5 or more, below 1", w.Confidence)
		return
	}
	if need := RoundsFor(w.Confidence); w.Rounds < need || w.Rounds > mostRounds {
		bad("worth_it.rounds: got %d, wanted %d to %d: winning all of fewer is more likely than %.2g by chance alone", w.Rounds, need, mostRounds, 1-w.Confidence)
	}
}

// RoundsFor is how many rounds of a comparison must all be won to be sure with
// this confidence, from 0.5 to below 1: by chance that happens once in
// 2^rounds.
func RoundsFor(confidence float64) int {
	return max(1, int(math.Ceil(-math.Log2(1-confidence)-1e-9)))
}

// LaunchesOf is how many processes take a provider's samples.
func (p Policy) LaunchesOf(provider string) int {
	if own := p.Providers[provider].Launches; own > 0 {
		return own
	}
	return p.Latency.Launches
}

// ColdStartOf is the longest cold start that a provider may take.
func (p Policy) ColdStartOf(provider string) time.Duration {
	if own := p.Providers[provider].ColdStart; own != nil {
		return own.Budget
	}
	return p.ColdStart.Budget
}

// MemoryOf is the largest resident set that a provider's process may have.
func (p Policy) MemoryOf(provider string) Bytes {
	if own := p.Providers[provider].Memory; own != nil {
		return own.Budget
	}
	return p.Memory.Budget
}

func (p Policy) checkChannels(bad report) {
	if len(p.Channels) == 0 {
		bad("channels: got none, wanted at least one")
	}
	for _, n := range slices.Sorted(maps.Keys(p.Channels)) {
		if !name.MatchString(n) {
			bad("channels: got the name %q, wanted letters, digits, '.', '_' or '-'", n)
		}
		if len(p.Channels[n].Require) == 0 {
			bad("channels.%s.require: got none; a channel that requires nothing proves nothing", n)
		}
		if p.Channels[n].Portability && !slices.ContainsFunc(p.Channels[n].Require, func(r string) bool { return len(p.Providers[r].Portability) > 0 }) {
			bad("channels.%s.portability: got true, and no required provider names a processor; wanted one with portability: %q", n, cpus)
		}
		for _, r := range p.Channels[n].Require {
			if _, ok := p.Providers[r]; !ok {
				bad("channels.%s.require: got %q, wanted one of %q", n, r, slices.Sorted(maps.Keys(p.Providers)))
			}
			p.checkGated(bad, n, r)
		}
	}
}

// checkGated wants a latency line that gates, for each variant that a channel
// requires: one that is only reported would be released however slow it is.
func (p Policy) checkGated(bad report, channel, provider string) {
	for _, v := range p.Providers[provider].Variants {
		class := p.Class(provider, v)
		if !slices.ContainsFunc(p.Latency.Budgets, func(b Budget) bool { return b.Gates(channel, class) }) {
			bad("channels.%s requires %s × %s: got no line of latency.budgets that gates %s there, wanted at least one; leave out channels or precisions of a line, or add one",
				channel, provider, v, class)
		}
	}
}
