// Package policy is policy.yaml: what a release must prove. It reads and checks
// the file and must not know how anything is measured or judged.
package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
)

// Schema is the version of policy.yaml this program reads.
const Schema = 2

// Policy is policy.yaml, checked: every gate in it has a threshold and every
// name in it is defined.
type Policy struct {
	Schema     int                                `yaml:"schema"`
	Release    Release                            `yaml:"release"`
	Model      Model                              `yaml:"model"`
	Variants   map[string]Variant                 `yaml:"variants"`
	Parity     map[candidate.Precision]Parity     `yaml:"parity"`
	Latency    Latency                            `yaml:"latency"`
	ColdStart  Limit                              `yaml:"cold_start"`
	Memory     MemoryLimit                        `yaml:"memory"`
	Invariance map[candidate.Precision]Invariance `yaml:"invariance"`
	Providers  map[string]Provider                `yaml:"providers"`
	WorthIt    *WorthIt                           `yaml:"worth_it"`
	Channels   map[string]Channel                 `yaml:"channels"`

	Digest string `yaml:"-"` // sha256 of the file's bytes
	Raw    []byte `yaml:"-"` // the file's bytes: published beside the verdict
}

// Release names what is published.
type Release struct {
	Version string `yaml:"version"` // "1.0.0"; an existing version is never changed
}

// Model is the model and where its files come from.
type Model struct {
	Name   string            `yaml:"name"`
	Source string            `yaml:"source"` // "pypi:…", "hf:…", "dir:…" (relative to the policy file)
	Golden string            `yaml:"golden"` // golden directory, relative to the policy file; empty: the one built in for Name
	Files  map[string]string `yaml:"files"`  // slash path → sha256 of every file that may be read
}

// Variant is one model file that the export makes, or another way to run one.
type Variant struct {
	Precision candidate.Precision `yaml:"precision"`
	File      string              `yaml:"file"`    // the variant whose file it runs; empty: its own
	Options   map[string]string   `yaml:"options"` // provider options that make it what it is, such as use_tf32
}

// Parity holds the thresholds of one precision class, against float64.
type Parity struct {
	MinCosine  *float64 `yaml:"min_cosine"`
	MeanCosine *float64 `yaml:"mean_cosine"` // optional
	MaxAbs     *float64 `yaml:"max_abs"`     // largest absolute error of one component; optional for int8
	Norm       *float64 `yaml:"norm"`        // largest |‖v‖ − ‖golden v‖|
	Rank       *Rank    `yaml:"rank"`        // optional
}

// Rank is agreement of neighbours with the float64 model.
type Rank struct {
	TopK      int      `yaml:"top_k"`
	Agreement *float64 `yaml:"agreement"` // mean share of shared neighbours, 0 to 1
	Spearman  *float64 `yaml:"spearman"`  // of all pairwise similarities
}

// Invariance is how far a vector may move with the other texts of its batch.
type Invariance struct {
	MaxAbs *float64 `yaml:"max_abs"`
}

// Latency is what is measured and which budgets must hold. n is fixed here,
// before anything is measured.
type Latency struct {
	Launches int `yaml:"launches"` // processes
	Samples  int `yaml:"samples"`  // per length, over all launches
	// SamplingTimeout ends a launch's samples at one length after this time, so
	// that a provider that is a hundred times too slow fails in minutes. The
	// samples that are missing count as unknown. 0: no timeout.
	SamplingTimeout time.Duration `yaml:"sampling_timeout"`
	Budgets         []Budget      `yaml:"budgets"`
	// Attempts is how often a run measures what stays undecided, at most; 0: 1.
	Attempts int `yaml:"attempts"`
}

// Confidence is how sure a decision of one attempt must be, so that all of them
// together are as sure as a budget's confidence c says: each has an equal share
// of the error (Bonferroni's inequality).
func (l Latency) Confidence(c float64) float64 { return 1 - (1-c)/float64(max(l.Attempts, 1)) }

// Budget is one latency promise: text to vector, batch × tokens, at a
// percentile, with a confidence. It gates the precision classes in Precisions
// (empty: all) in the channels in Channels (empty: all). In other cases it is
// measured and reported, and gates nothing.
type Budget struct {
	Tokens     int                   `yaml:"tokens"` // [CLS] and [SEP] included
	Batch      int                   `yaml:"batch"`
	Percentile float64               `yaml:"percentile"` // 95
	Budget     time.Duration         `yaml:"budget"`
	Confidence float64               `yaml:"confidence"` // 0.99
	Precisions []candidate.Precision `yaml:"precisions"`
	Channels   []string              `yaml:"channels"`
}

// Gates reports whether b gates a variant of class p in a channel.
func (b Budget) Gates(channel string, p candidate.Precision) bool {
	return (len(b.Channels) == 0 || slices.Contains(b.Channels, channel)) &&
		(len(b.Precisions) == 0 || slices.Contains(b.Precisions, p))
}

// Limit is a budget on the worst of the launches.
type Limit struct {
	Budget time.Duration `yaml:"budget"`
}

// MemoryLimit is a budget on the largest resident set.
type MemoryLimit struct {
	Budget Bytes `yaml:"budget"`
}

// Bytes is a size, written "800MiB".
type Bytes int64

// Provider is a provider this policy knows, and what it accepts there.
type Provider struct {
	Variants []string `yaml:"variants"`
	// EffectivePrecision is, by variant, the precision class whose thresholds
	// hold for this provider, where its arithmetic differs from the CPU's. Other
	// variants have the precision that the policy's variants give them.
	EffectivePrecision map[string]candidate.Precision `yaml:"effective_precision"`
	Options            map[string]string              `yaml:"options"`    // the provider's own, passed through
	IOBinding          bool                           `yaml:"io_binding"` // inputs and outputs stay in the device's memory
	Threads            int                            `yaml:"threads"`    // 0: every core
	Launches           int                            `yaml:"launches"`   // processes that take the samples; 0: the policy's
	Texts              int                            `yaml:"texts"`      // golden texts that are measured, evenly spread; 0: all
	Placement          *Placement                     `yaml:"placement"`
	// Portability is which other processors the variants must be right on, by
	// name; they are emulated where the machine is another.
	Portability []string `yaml:"portability"`
	// A GPU's libraries and compilers take their time and room: a provider may
	// have budgets of its own. Nil: the policy's.
	ColdStart *Limit       `yaml:"cold_start"`
	Memory    *MemoryLimit `yaml:"memory"`
}

// Placement is how much of a model must have run on the provider that claims
// it. Shares are of the whole, 0 to 1.
type Placement struct {
	MinFLOPs *float64 `yaml:"min_flops"`
	MinNodes *float64 `yaml:"min_nodes"` // optional
	MinTime  *float64 `yaml:"min_time"`  // optional
	// AllowedFallback is every operator that may run on another provider, such
	// as Shape. Any other operator there fails, however small its share.
	AllowedFallback []string `yaml:"allowed_fallback"`
	Strict          bool     `yaml:"strict"` // the session must not open where a node would fall back
}

// WorthIt is what a provider must be better than, on the same machine.
type WorthIt struct {
	Provider   string   `yaml:"provider"` // "cpu": is not compared with itself
	Variant    string   `yaml:"variant"`  // "fp32"
	Tokens     []int    `yaml:"tokens"`   // lengths, batch 1
	Rounds     int      `yaml:"rounds"`   // pairs of processes, one of each, in alternating order
	Samples    int      `yaml:"samples"`  // of each length in each process
	Speedup    *float64 `yaml:"speedup"`  // at least this many times as fast
	Confidence float64  `yaml:"confidence"`
}

// Class is the precision class to which a provider's variant is held.
func (p Policy) Class(provider, variant string) candidate.Precision {
	if c, ok := p.Providers[provider].EffectivePrecision[variant]; ok {
		return c
	}
	return p.Variants[variant].Precision
}

// FileOf names the exported variant whose file a variant runs.
func (p Policy) FileOf(variant string) string { return cmp.Or(p.Variants[variant].File, variant) }

// OptionsOf are the provider options of a variant there: the provider's, then
// the variant's own.
func (p Policy) OptionsOf(provider, variant string) map[string]string {
	all := maps.Clone(p.Providers[provider].Options)
	if own := p.Variants[variant].Options; len(own) > 0 {
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, own)
	}
	return all
}

// Channel is where a release goes and what must have passed for that.
type Channel struct {
	Require []string `yaml:"require"` // providers
	// Portability says that the required providers must also have passed on
	// every processor that they name.
	Portability bool `yaml:"portability"`
}

// check refuses a policy that would let something pass unproven: every gate
// needs its threshold, every name its definition. All faults are reported at once.
func (p Policy) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if p.Schema != Schema {
		return wrongSchema(p.Schema)
	}
	if !name.MatchString(p.Release.Version) {
		bad("release.version: got %q, wanted letters, digits, '.', '_' or '-', such as 1.0.0", p.Release.Version)
	}
	p.checkModel(bad)
	p.checkVariants(bad)
	p.checkLatency(bad)
	if p.ColdStart.Budget <= 0 {
		bad("cold_start.budget: got %v, wanted a time above zero such as 5s", p.ColdStart.Budget)
	}
	if p.Memory.Budget <= 0 {
		bad("memory.budget: got %d, wanted a size above zero such as 600MiB", p.Memory.Budget)
	}
	p.checkProviders(bad)
	p.checkWorthIt(bad)
	p.checkChannels(bad)
	return errors.Join(errs...)
}
