package good

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Case returns a case whose evidence is nearly as good as the arithmetic of its
// class allows: vectors close to the golden's, and times well within every
// budget. The candidate fits the golden; the thresholds are the policy's own.
func Case(p policy.Policy, channel string, r *check.Reference, provider, variant string) check.Case {
	const nonce, launchOfVectors = "self-test", 0
	p.Model.Name = r.Model
	p.Model.Files = maps.Clone(r.Source)
	class := p.Class(provider, variant)
	c := check.Case{
		Policy: p, Golden: r, Nonce: nonce, Channel: channel, Class: class,
		Candidate: candidate.Candidate{
			Digest: "self-test",
			Manifest: candidate.Manifest{
				Schema: candidate.Schema, Model: r.Model,
				Source:    candidate.Source{Files: maps.Clone(r.Source)},
				Embedding: Embedding(r.Set),
				Variants:  map[string]candidate.Variant{p.FileOf(variant): {File: "model.onnx", Precision: p.Variants[p.FileOf(variant)].Precision}},
				Files:     map[string]candidate.File{"model.onnx": {SHA256: "self-test"}},
			},
		},
	}
	c.Plan = evidence.PlanFor(p, r.Set, provider, variant, candidate.Variant{})
	c.Graph = Graph(c.Plan.Recorded)
	c.Graph.Saturation = SafeSaturation()
	c.Graph.Predicted = map[string]check.Prediction{provider: {Nodes: len(Nodes()), Partitions: 1}}
	c.Plan.Texts = Indices(len(r.Texts)) // the whole reference, however few the policy measures
	e := evidence.Evidence{
		Schema: evidence.Schema, Provider: provider, Variant: variant,
		Candidate: c.Candidate.Digest, Policy: p.Digest, Golden: r.Digest, Nonce: nonce,
		Plan: c.Plan, Model: "self-test", VectorsSHA256: "self-test",
		Raw: evidence.Vectors{Dim: r.Dim, Primary: Vectors(r, p.Variants[p.FileOf(variant)].Precision), SHA256: "self-test"},
	}
	e.Machine, e.Session = machine, session(c, provider, variant)
	rows := Indices(len(r.Texts))
	for i := range rows {
		e.Raw.IDs = append(e.Raw.IDs, slices.Clone(r.IDs[i]))
		e.Useful += int64(len(r.IDs[i]))
	}
	e.Computed = e.Useful
	for _, name := range evidence.InvarianceRuns() {
		e.Raw.Invariance = append(e.Raw.Invariance, evidence.InvarianceRun{Name: name, Rows: slices.Clone(rows), Vecs: slices.Clone(e.Raw.Primary)})
	}
	for _, tokens := range c.Plan.Recorded {
		e.Placement = append(e.Placement, Record(tokens, check.ExecutionProvider(provider)))
	}
	e.Planned = devicePlan(c, provider, variant)
	cold, memory := int64(p.ColdStartOf(provider)), int64(p.MemoryOf(provider))
	share, room := c.Plan.Samples/c.Plan.Launches, int64(1<<62)
	if c.Plan.LimitNS > 0 {
		room = c.Plan.LimitNS / int64(2*share)
	}
	for launch := 1; launch <= c.Plan.Launches; launch++ {
		for _, pt := range e.Plan.Points {
			e.Latency = append(e.Latency, evidence.LatencyRun{
				Launch: launch, LatencyPoint: pt, StealTicks: 0, TotalTicks: 1000,
				SamplesNS:     Repeated(max(min(tightest(c, pt)/10, room), int64(Shortest)), share),
				CalibrationNS: Repeated(1e6, 16),
			})
		}
		e.Cold = append(e.Cold, evidence.ColdStart{Launch: launch, LoadNS: max(cold/8, int64(Shortest)), FirstNS: max(cold/8, int64(Shortest)), FromStartNS: max(cold/2, int64(Shortest))})
		e.Memory = append(e.Memory, evidence.MemoryPeak{Launch: launch, RSS: max(memory/2, Smallest)})
	}
	e.Memory = append(e.Memory, evidence.MemoryPeak{Launch: launchOfVectors, RSS: max(memory/2, Smallest)})
	c.Evidence = e
	c.Evidence.Pairs = pairs(c)
	return c
}

func Embedding(g golden.Set) candidate.Embedding {
	return candidate.Embedding{Pooling: candidate.Pooling(g.Pooling), Normalize: g.Normalize, MaxTokens: g.MaxTokens, Dimension: g.Dim}
}

// tightest returns the smallest budget at a point, in ns.
func tightest(c check.Case, p evidence.LatencyPoint) int64 {
	least := int64(1 << 62)
	for _, b := range c.Policy.Latency.Budgets {
		if (evidence.LatencyPoint{Tokens: b.Tokens, Batch: b.Batch}) == p {
			least = min(least, int64(b.Budget))
		}
	}
	return least
}

// OtherDigest is a digest that nothing has.
const OtherDigest = "0000000000000000000000000000000000000000000000000000000000000bad"

// PortableCase returns the known-good case of a row for another processor.
func PortableCase(p policy.Policy, channel string, r *check.Reference, provider, variant, on string) check.Case {
	c := Case(p, channel, r, provider, variant)
	cpu, _ := providers.LookupCPU(on)
	c.CPU = on
	c.Plan = evidence.Plan{Points: []evidence.LatencyPoint{}, Texts: c.Plan.Texts, Recorded: []int{}}
	e := &c.Evidence
	e.CPU, e.Plan = on, c.Plan
	e.Machine.Arch, e.Machine.InstructionSets = cpu.Arch, check.InstructionSetsOf[on]
	e.Emulation = &evidence.Emulation{Emulator: "self-test", Version: "1", Model: cpu.Model, Host: "amd64"}
	e.Latency, e.Cold, e.Memory, e.Placement, e.Pairs = nil, nil, nil, nil, nil
	return c
}
