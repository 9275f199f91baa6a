package validate

import (
	"errors"
	"maps"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
)

const otherDigest = "0000000000000000000000000000000000000000000000000000000000000bad"

// badIntegrity is evidence that must not be believed, one lie at a time.
func badIntegrity() []badCase {
	evidence := func(name, item string, spoil func(e *Evidence)) badCase {
		return badCase{name: name, item: item, spoil: func(c *gateCase) bool { spoil(&c.evidence); return true }}
	}
	// timed is for what is only there where time was measured.
	timed := func(name, item string, spoil func(e *Evidence)) badCase {
		return badCase{name: name, item: item, spoil: func(c *gateCase) bool {
			if c.cpu != "" {
				return false
			}
			spoil(&c.evidence)
			return true
		}}
	}
	return []badCase{
		evidence("a stale candidate digest", "binding", func(e *Evidence) { e.Candidate = otherDigest }),
		evidence("a stale policy digest", "binding", func(e *Evidence) { e.Policy = otherDigest }),
		evidence("a stale golden digest", "binding", func(e *Evidence) { e.Golden = otherDigest }),
		{name: "the answer to another plan", item: "binding", spoil: func(c *gateCase) bool {
			c.evidence.Nonce += "-other"
			return c.nonce != ""
		}},
		evidence("another model opened", "binding", func(e *Evidence) { e.Model = otherDigest }),
		evidence("nobody says which model was opened", "binding", func(e *Evidence) { e.Model = "" }),
		evidence("vectors changed after measuring", "binding", func(e *Evidence) { e.Raw.SHA256 = otherDigest }),
		evidence("a session on another provider", "binding", func(e *Evidence) { e.Session.Provider += "-other" }),
		{name: "a broken graph", item: "graph", spoil: func(c *gateCase) bool {
			c.graph.Err = errors.New("truncated")
			return true
		}},
		{name: "weights that the golden was not made from", item: "source", spoil: func(c *gateCase) bool {
			files := maps.Clone(c.candidate.Manifest.Source.Files)
			pins := maps.Clone(c.policy.Model.Files)
			for name := range files {
				if isWeights(name) {
					files[name], pins[name] = otherDigest, otherDigest
				}
			}
			c.candidate.Manifest.Source.Files, c.policy.Model.Files = files, pins
			return !c.foreign
		}},
		{name: "a tokenizer that the policy does not pin", item: "files", spoil: func(c *gateCase) bool {
			c.policy.Model.Files = maps.Clone(c.policy.Model.Files)
			c.policy.Model.Files["tokenizer.json"] = "self-test"
			withFile(c, "tokenizer.json")
			return true
		}},
		{name: "a script beside the model", item: "files", spoil: func(c *gateCase) bool {
			withFile(c, "modeling.py")
			return true
		}},
		{name: "pooling swapped", item: "embedding", spoil: func(c *gateCase) bool {
			c.candidate.Manifest.Embedding.Pooling = candidate.PoolCLS
			if c.golden.Pooling == string(candidate.PoolCLS) {
				c.candidate.Manifest.Embedding.Pooling = candidate.PoolMean
			}
			return true
		}},
		{name: "a variant of another precision", item: "variant", spoil: func(c *gateCase) bool {
			variants := maps.Clone(c.candidate.Manifest.Variants)
			file := c.policy.FileOf(c.evidence.Variant)
			v := variants[file]
			v.Precision += "-other"
			variants[file] = v
			c.candidate.Manifest.Variants = variants
			return true
		}},
		evidence("a crash", "child process", func(e *Evidence) { e.Crash = &Crash{Stage: "latency", Signal: "SIGSEGV"} }),
		timed("a sample left out", "plan", func(e *Evidence) {
			e.Latency[0].SamplesNS = e.Latency[0].SamplesNS[1:]
		}),
		evidence("other lengths recorded", "plan", func(e *Evidence) { e.Plan.Recorded = append(slices.Clone(e.Plan.Recorded), 7) }),
		{name: "few samples at a length that is gated", item: "plan", spoil: func(c *gateCase) bool {
			c.evidence.Plan.Brief = c.plan.gated(c.policy.Latency, c.channel, c.class)
			c.evidence.Latency = slices.DeleteFunc(slices.Clone(c.evidence.Latency), func(r LatencyRun) bool {
				return r.Launch > c.evidence.Plan.LaunchesAt(r.LatencyPoint)
			})
			return len(c.evidence.Plan.Brief) > 0
		}},
		evidence("another time limit", "plan", func(e *Evidence) { e.Plan.LimitNS++ }),
		{name: "another comparison planned", item: "plan", spoil: func(c *gateCase) bool {
			if c.evidence.Plan.Pairs == nil {
				return false
			}
			other := *c.evidence.Plan.Pairs
			other.Rounds--
			c.evidence.Plan.Pairs = &other
			return true
		}},
		timed("an emulator's times", "binding", func(e *Evidence) { e.Emulation = &Emulation{Emulator: "qemu-x86_64", Model: "Haswell"} }),
		timed("a launch left out", "plan", func(e *Evidence) { e.Latency = e.Latency[1:] }),
		timed("a launch measured twice", "plan", func(e *Evidence) { e.Latency = append(e.Latency, e.Latency[0]) }),
		timed("a negative duration", "numbers", func(e *Evidence) { e.Latency[0].SamplesNS[0] *= -1 }),
		timed("a forged cold start", "numbers", func(e *Evidence) {
			e.Cold[0].LoadNS = 2*e.Cold[0].FromStartNS + 2*int64(clockSlack)
		}),
	}
}

// withFile adds a file to the candidate.
func withFile(c *gateCase, name string) {
	c.candidate.Manifest.Files = maps.Clone(c.candidate.Manifest.Files)
	c.candidate.Manifest.Files[name] = candidate.File{SHA256: otherDigest}
}

// knownGood is a case that holds evidence nearly as good as arithmetic of its
// class allows: the golden, off by little, measured well within every budget. The candidate is one that
// the golden fits; the thresholds are the policy's own.
func knownGood(in Input, r *reference, provider, variant string) gateCase {
	const nonce, launchOfVectors = "self-test", 0
	p := in.Policy
	p.Model.Name = r.Model
	p.Model.Files = maps.Clone(r.Source)
	class := p.Class(provider, variant)
	c := gateCase{
		policy: p, golden: r, nonce: nonce, channel: in.Channel, class: class,
		candidate: candidate.Candidate{
			Digest: "self-test",
			Manifest: candidate.Manifest{
				Schema: candidate.Schema, Model: r.Model,
				Source:    candidate.Source{Files: maps.Clone(r.Source)},
				Embedding: embeddingThatFits(r.Set),
				Variants:  map[string]candidate.Variant{p.FileOf(variant): {File: "model.onnx", Precision: p.Variants[p.FileOf(variant)].Precision}},
				Files:     map[string]candidate.File{"model.onnx": {SHA256: "self-test"}},
			},
		},
	}
	c.plan = PlanFor(p, r.Set, provider, variant, candidate.Variant{})
	c.graph = goodGraph(c.plan.Recorded)
	c.graph.Saturation = withinLimit()
	c.graph.Predicted = map[string]Prediction{provider: {Nodes: len(goodNodes()), Partitions: 1}}
	c.plan.Texts = indices(len(r.Texts)) // the whole reference, however few the policy measures
	e := Evidence{
		Schema: EvidenceSchema, Provider: provider, Variant: variant,
		Candidate: c.candidate.Digest, Policy: p.Digest, Golden: r.Digest, Nonce: nonce,
		Plan: c.plan, Model: "self-test", VectorsSHA256: "self-test",
		Raw: Vectors{Dim: r.Dim, Primary: computed(r, p.Variants[p.FileOf(variant)].Precision), SHA256: "self-test"},
	}
	e.Machine, e.Session = goodMachine, goodSession(c, provider, variant)
	rows := indices(len(r.Texts))
	for i := range rows {
		e.Raw.IDs = append(e.Raw.IDs, slices.Clone(r.IDs[i]))
		e.Useful += int64(len(r.IDs[i]))
	}
	e.Computed = e.Useful
	for _, name := range Company() {
		e.Raw.Invariance = append(e.Raw.Invariance, InvarianceRun{Name: name, Rows: slices.Clone(rows), Vecs: slices.Clone(e.Raw.Primary)})
	}
	for _, tokens := range c.plan.Recorded {
		e.Placement = append(e.Placement, goodRecord(tokens, executionProvider(provider)))
	}
	e.Planned = goodPlan(c, provider, variant)
	cold, memory := int64(p.ColdStartOf(provider)), int64(p.MemoryOf(provider))
	share, room := c.plan.Samples/c.plan.Launches, int64(1<<62)
	if c.plan.LimitNS > 0 {
		room = c.plan.LimitNS / int64(2*share)
	}
	for launch := 1; launch <= c.plan.Launches; launch++ {
		for _, pt := range e.Plan.Points {
			e.Latency = append(e.Latency, LatencyRun{
				Launch: launch, LatencyPoint: pt, StealTicks: 0, TotalTicks: 1000,
				SamplesNS:     repeat(max(min(tightest(c, pt)/10, room), int64(shortest)), share),
				CalibrationNS: repeat(1e6, 16),
			})
		}
		e.Cold = append(e.Cold, ColdStart{Launch: launch, LoadNS: max(cold/8, int64(shortest)), FirstNS: max(cold/8, int64(shortest)), FromStartNS: max(cold/2, int64(shortest))})
		e.Memory = append(e.Memory, MemoryPeak{Launch: launch, RSS: max(memory/2, smallest)})
	}
	e.Memory = append(e.Memory, MemoryPeak{Launch: launchOfVectors, RSS: max(memory/2, smallest)})
	c.evidence = e
	c.evidence.Pairs = goodPairs(c)
	return c
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func embeddingThatFits(g golden.Set) candidate.Embedding {
	return candidate.Embedding{Pooling: candidate.Pooling(g.Pooling), Normalize: g.Normalize, MaxTokens: g.MaxTokens, Dimension: g.Dim}
}

// tightest is the smallest budget at a point, in ns.
func tightest(c gateCase, p LatencyPoint) int64 {
	least := int64(1 << 62)
	for _, b := range c.policy.Latency.Budgets {
		if (LatencyPoint{b.Tokens, b.Batch}) == p {
			least = min(least, int64(b.Budget))
		}
	}
	return least
}

func narrow(v []float64) []float32 {
	n := make([]float32, len(v))
	for i, x := range v {
		n[i] = float32(x)
	}
	return n
}

func repeat(v int64, n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = v
	}
	return s
}
