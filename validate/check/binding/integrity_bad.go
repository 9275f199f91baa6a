package binding

import (
	"errors"
	"maps"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
)

// badIntegrity returns evidence that must be refused, each with one change.
func badIntegrity() []check.BadCase {
	ev := func(name, item string, spoil func(e *evidence.Evidence)) check.BadCase {
		return check.BadCase{Name: name, Item: item, Spoil: func(c *check.Case) bool { spoil(&c.Evidence); return true }}
	}
	// timed is for cases that need measured times.
	timed := func(name, item string, spoil func(e *evidence.Evidence)) check.BadCase {
		return check.BadCase{Name: name, Item: item, Spoil: func(c *check.Case) bool {
			if c.CPU != "" {
				return false
			}
			spoil(&c.Evidence)
			return true
		}}
	}
	return []check.BadCase{
		ev("a stale candidate digest", "binding", func(e *evidence.Evidence) { e.Candidate = good.OtherDigest }),
		ev("a stale policy digest", "binding", func(e *evidence.Evidence) { e.Policy = good.OtherDigest }),
		ev("a stale golden digest", "binding", func(e *evidence.Evidence) { e.Golden = good.OtherDigest }),
		{Name: "the answer to another plan", Item: "binding", Spoil: func(c *check.Case) bool {
			c.Evidence.Nonce += "-other"
			return c.Nonce != ""
		}},
		ev("another model opened", "binding", func(e *evidence.Evidence) { e.Model = good.OtherDigest }),
		ev("no digest of the model that was opened", "binding", func(e *evidence.Evidence) { e.Model = "" }),
		ev("vectors changed after measuring", "binding", func(e *evidence.Evidence) { e.Raw.SHA256 = good.OtherDigest }),
		ev("a session on another provider", "binding", func(e *evidence.Evidence) { e.Session.Provider += "-other" }),
		{Name: "a broken graph", Item: "graph", Spoil: func(c *check.Case) bool {
			c.Graph.Err = errors.New("truncated")
			return true
		}},
		{Name: "weights that the golden was not made from", Item: "source", Spoil: func(c *check.Case) bool {
			files := maps.Clone(c.Candidate.Manifest.Source.Files)
			pins := maps.Clone(c.Policy.Model.Files)
			for name := range files {
				if IsWeights(name) {
					files[name], pins[name] = good.OtherDigest, good.OtherDigest
				}
			}
			c.Candidate.Manifest.Source.Files, c.Policy.Model.Files = files, pins
			return !c.Foreign
		}},
		{Name: "a tokenizer that the policy does not pin", Item: "files", Spoil: func(c *check.Case) bool {
			c.Policy.Model.Files = maps.Clone(c.Policy.Model.Files)
			c.Policy.Model.Files["tokenizer.json"] = "self-test"
			withFile(c, "tokenizer.json")
			return true
		}},
		{Name: "a script beside the model", Item: "files", Spoil: func(c *check.Case) bool {
			withFile(c, "modeling.py")
			return true
		}},
		{Name: "pooling swapped", Item: "embedding", Spoil: func(c *check.Case) bool {
			c.Candidate.Manifest.Embedding.Pooling = candidate.PoolCLS
			if c.Golden.Pooling == string(candidate.PoolCLS) {
				c.Candidate.Manifest.Embedding.Pooling = candidate.PoolMean
			}
			return true
		}},
		{Name: "a variant of another precision", Item: "variant", Spoil: func(c *check.Case) bool {
			variants := maps.Clone(c.Candidate.Manifest.Variants)
			file := c.Policy.FileOf(c.Evidence.Variant)
			v := variants[file]
			v.Precision += "-other"
			variants[file] = v
			c.Candidate.Manifest.Variants = variants
			return true
		}},
		ev("a crash", "child process", func(e *evidence.Evidence) { e.Crash = &evidence.Crash{Stage: "latency", Signal: "SIGSEGV"} }),
		timed("a sample left out", "plan", func(e *evidence.Evidence) {
			e.Latency[0].SamplesNS = e.Latency[0].SamplesNS[1:]
		}),
		ev("other lengths recorded", "plan", func(e *evidence.Evidence) { e.Plan.Recorded = append(slices.Clone(e.Plan.Recorded), 7) }),
		{Name: "few samples at a length that is gated", Item: "plan", Spoil: func(c *check.Case) bool {
			c.Evidence.Plan.Brief = c.Plan.Gated(c.Policy.Latency, c.Channel, c.Class)
			c.Evidence.Latency = slices.DeleteFunc(slices.Clone(c.Evidence.Latency), func(r evidence.LatencyRun) bool {
				return r.Launch > c.Evidence.Plan.LaunchesAt(r.LatencyPoint)
			})
			return len(c.Evidence.Plan.Brief) > 0
		}},
		ev("another time limit", "plan", func(e *evidence.Evidence) { e.Plan.LimitNS++ }),
		{Name: "another comparison planned", Item: "plan", Spoil: func(c *check.Case) bool {
			if c.Evidence.Plan.Pairs == nil {
				return false
			}
			other := *c.Evidence.Plan.Pairs
			other.Rounds--
			c.Evidence.Plan.Pairs = &other
			return true
		}},
		timed("an emulator's times", "binding", func(e *evidence.Evidence) {
			e.Emulation = &evidence.Emulation{Emulator: "qemu-x86_64", Model: "Haswell"}
		}),
		timed("a launch left out", "plan", func(e *evidence.Evidence) { e.Latency = e.Latency[1:] }),
		timed("a launch measured twice", "plan", func(e *evidence.Evidence) { e.Latency = append(e.Latency, e.Latency[0]) }),
		timed("a negative duration", "numbers", func(e *evidence.Evidence) { e.Latency[0].SamplesNS[0] *= -1 }),
		timed("a forged cold start", "numbers", func(e *evidence.Evidence) {
			e.Cold[0].LoadNS = 2*e.Cold[0].FromStartNS + 2*int64(clockSlack)
		}),
	}
}

// withFile adds a file to the candidate.
func withFile(c *check.Case, name string) {
	c.Candidate.Manifest.Files = maps.Clone(c.Candidate.Manifest.Files)
	c.Candidate.Manifest.Files[name] = candidate.File{SHA256: good.OtherDigest}
}
