package measure

import (
	"fmt"
	"path/filepath"

	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// step is one process of a measurement.
type step struct {
	job   protocol.Job
	title string // for messages
	other bool   // it measures the provider of the comparison
	// done is the number of steps of its kind before it, of total.
	done, total int
	// addTo adds this step's results to the evidence.
	addTo func(ev *evidence.Evidence, out outcome)
}

// announce says that a step begins.
func (s step) announce(p progress.Sink) {
	if s.total > 0 {
		p.Step(int64(s.done), int64(s.total), "processes", "%s", s.title)
		return
	}
	p.Say("%s: %s", s.title, s.job.Kind)
}

// steps returns a plan's processes in order: the vectors, the placement, the
// latency launches, the rounds of the comparison. The vectors come first, so
// that a later crash still leaves what can be judged without the rest.
func steps(o Options, p evidence.Plan, mine, others providers.Library) []step {
	what := o.Provider + " × " + o.Variant
	base := o.job(o.Provider, o.Variant, mine)
	for _, i := range p.Texts {
		base.Texts = append(base.Texts, o.Golden.Texts[i].Bytes)
	}

	vectors := base
	vectors.Kind = protocol.VectorsKind
	all := []step{{job: vectors, title: what, addTo: addVectors}}

	if len(p.Recorded) > 0 {
		j := base
		j.Kind, j.Points = protocol.PlacementKind, lengths(p.Recorded)
		all = append(all, step{job: j, title: what, addTo: func(ev *evidence.Evidence, out outcome) {
			ev.Placement, ev.Planned = out.result.Placement, out.devicePlan
		}})
	}
	for n := range p.Launches {
		j := base
		j.Kind, j.Launch, j.Warmup, j.LimitNS = protocol.LatencyKind, n+1, protocol.Warmup, p.LimitNS
		j.Points, j.Samples = orderOf(p, j.Launch), samplesOf(p, j.Launch)
		all = append(all, step{job: j, title: what + ": latency", done: n, total: p.Launches, addTo: addLatency(n + 1)})
	}
	if p.Pairs != nil {
		all = append(all, pairs(o, p, base, others)...)
	}
	return all
}

// job returns the part of a job that all processes of a provider × variant
// share.
func (o Options) job(provider, variant string, lib providers.Library) protocol.Job {
	file, _ := o.variant(variant)
	j := protocol.Job{
		Provider: provider, Library: lib,
		Model:     filepath.Join(o.Candidate.Dir, filepath.FromSlash(file.File)),
		Tokenizer: filepath.Join(o.Candidate.Dir, tokenizerName),
		Options:   evidence.SessionOptions(o.Policy, provider, variant),
		Embedding: o.Candidate.Manifest.Embedding,
	}
	for _, t := range o.Golden.Texts {
		j.Corpus = append(j.Corpus, t.Bytes)
	}
	return j
}

// pairs returns the rounds of a comparison, with two processes each: this
// provider's is first in odd rounds, the other's in even ones, so that neither
// always has the cooler machine.
func pairs(o Options, p evidence.Plan, mine protocol.Job, lib providers.Library) (all []step) {
	plan := *p.Pairs
	other := o.job(plan.Provider, plan.Variant, lib)
	other.Texts = mine.Texts
	for round := 1; round <= plan.Rounds; round++ {
		for order := range 2 {
			j, provider, variant := mine, o.Provider, o.Variant
			isOther := (round%2 == 1) == (order == 1)
			if isOther {
				j, provider, variant = other, plan.Provider, plan.Variant
			}
			j.Kind, j.Launch, j.Warmup, j.Samples = protocol.PairKind, round, protocol.Warmup, plan.Samples
			j.Points = rotated(lengths(plan.Tokens), round)
			// Both processes of a round together have the time of one launch.
			j.LimitNS = p.LimitNS / 2
			all = append(all, step{
				job: j, other: isOther, done: len(all), total: 2 * plan.Rounds,
				title: fmt.Sprintf("%s × %s, in turns with %s × %s", o.Provider, o.Variant, plan.Provider, plan.Variant),
				addTo: func(ev *evidence.Evidence, out outcome) {
					for _, r := range out.result.Latency {
						ev.Pairs = append(ev.Pairs, evidence.PairedRun{
							Round: round, Order: order, Provider: provider, Variant: variant, Tokens: r.Tokens, SamplesNS: r.SamplesNS,
						})
					}
				},
			})
		}
	}
	return all
}

// lengths returns points of one text each.
func lengths(tokens []int) (points []evidence.LatencyPoint) {
	for _, n := range tokens {
		points = append(points, evidence.LatencyPoint{Tokens: n, Batch: 1})
	}
	return points
}

func addVectors(ev *evidence.Evidence, out outcome) {
	ev.Raw, ev.Useful, ev.Computed = out.vectors, out.result.Useful, out.result.Computed
	addMemory(ev, 0, out)
}

func addLatency(launch int) func(*evidence.Evidence, outcome) {
	return func(ev *evidence.Evidence, out outcome) {
		ev.Latency = append(ev.Latency, out.result.Latency...)
		if out.toFirst > 0 && out.result.FirstNS > 0 {
			ev.Cold = append(ev.Cold, evidence.ColdStart{
				Launch: launch, LoadNS: out.result.LoadNS, FirstNS: out.result.FirstNS, FromStartNS: out.toFirst.Nanoseconds(),
			})
		}
		addMemory(ev, launch, out)
	}
}

// addMemory adds the memory peak of a process. It is not called for the process
// that records the placement, since the record needs memory too.
func addMemory(ev *evidence.Evidence, launch int, out outcome) {
	if out.result.PeakRSS > 0 {
		ev.Memory = append(ev.Memory, evidence.MemoryPeak{Launch: launch, RSS: out.result.PeakRSS})
	}
}
