package policy

import (
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
)

// name is what may become part of a file name.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

type report func(format string, args ...any)

func (p Policy) checkModel(bad report) {
	m := p.Model
	if !name.MatchString(m.Name) {
		bad("model.name: got %q, wanted letters, digits, '.', '_' or '-'", m.Name)
	}
	if scheme, rest, ok := strings.Cut(m.Source, ":"); !ok || rest == "" || !slices.Contains([]string{"pypi", "hf", "dir"}, scheme) {
		bad("model.source: got %q, wanted pypi:NAME==VERSION, hf:NAME@REVISION or dir:PATH", m.Source)
	}
	if len(m.Files) == 0 {
		bad("model.files: got none, wanted the sha256 of every file that is read")
	}
	for _, f := range slices.Sorted(maps.Keys(m.Files)) {
		if f == "" || path.IsAbs(f) || path.Clean(f) != f || strings.HasPrefix(f, "..") || strings.ContainsAny(f, "\\\x00") {
			bad("model.files: got %q, wanted a path inside the source, with forward slashes", f)
		}
		if !hexDigest.MatchString(m.Files[f]) {
			bad("model.files[%s]: got %q, wanted a sha256 in 64 lower-case hex digits", f, m.Files[f])
		}
	}
}

func (p Policy) checkVariants(bad report) {
	if len(p.Variants) == 0 {
		bad("variants: got none, wanted at least one")
	}
	for _, v := range slices.Sorted(maps.Keys(p.Variants)) {
		if !name.MatchString(v) {
			bad("variants: got the name %q, wanted letters, digits, '.', '_' or '-'", v)
		}
		if file := p.Variants[v].File; file != "" {
			target, ok := p.Variants[file]
			if !ok || target.File != "" {
				bad("variants.%s.file: got %q, wanted a variant that has a file of its own", v, file)
			}
		}
		checkOptions(bad, "variants."+v, p.Variants[v].Options)
		p.checkClass(bad, "variants."+v, "precision", p.Variants[v].Precision)
	}
	for _, c := range slices.Sorted(maps.Keys(p.Parity)) {
		p.Parity[c].check(c, bad)
	}
	for _, c := range slices.Sorted(maps.Keys(p.Invariance)) {
		if !slices.Contains(classes, c) {
			bad("invariance.%s: wanted one of %q", c, classes)
		}
		positive(bad, fmt.Sprintf("invariance.%s.max_abs", c), p.Invariance[c].MaxAbs, true)
	}
}

// checkClass wants a precision class that has every threshold by class.
func (p Policy) checkClass(bad report, at, key string, c candidate.Precision) {
	if !slices.Contains(classes, c) {
		bad("%s.%s: got %q, wanted one of %q", at, key, c, classes)
		return
	}
	if _, ok := p.Parity[c]; !ok {
		bad("%s is %s: parity.%s is missing, so nothing would be proven of it", at, c, c)
	}
	if _, ok := p.Invariance[c]; !ok {
		bad("%s is %s: invariance.%s is missing, so nothing would be proven of it", at, c, c)
	}
}

var classes = candidate.Precisions()

func (q Parity) check(c candidate.Precision, bad report) {
	at := func(k string) string { return fmt.Sprintf("parity.%s.%s", c, k) }
	if !slices.Contains(classes, c) {
		bad("parity.%s: wanted one of %q", c, classes)
	}
	share(bad, at("min_cosine"), q.MinCosine, true)
	share(bad, at("mean_cosine"), q.MeanCosine, false)
	// An int8 model's components move freely while its directions hold.
	positive(bad, at("max_abs"), q.MaxAbs, c != candidate.INT8)
	positive(bad, at("norm"), q.Norm, true)
	if q.Rank != nil {
		if q.Rank.TopK < 1 || q.Rank.TopK > 1000 {
			bad("%s: got %d, wanted 1 to 1000", at("rank.top_k"), q.Rank.TopK)
		}
		share(bad, at("rank.agreement"), q.Rank.Agreement, true)
		share(bad, at("rank.spearman"), q.Rank.Spearman, true)
	}
}

// share checks a threshold that must lie above 0 and at most at 1.
func share(bad report, at string, v *float64, required bool) {
	switch {
	case v == nil && required:
		bad("%s: a gate needs its threshold; got none, wanted a number above 0, at most 1", at)
	case v != nil && !(*v > 0 && *v <= 1):
		bad("%s: got %v, wanted a number above 0, at most 1", at, *v)
	}
}

// positive checks an error bound.
func positive(bad report, at string, v *float64, required bool) {
	switch {
	case v == nil && required:
		bad("%s: a gate needs its threshold; got none, wanted a number above 0", at)
	case v != nil && !(*v > 0 && !math.IsInf(*v, 0)):
		bad("%s: got %v, wanted a number above 0", at, *v)
	}
}

// maxSamples is what evidence may hold of four lengths, with as many turns of
// the calibration loop.
const maxSamples = 10_000

func (p Policy) checkLatency(bad report) {
	l := p.Latency
	if l.Launches < 1 || l.Launches > 100 {
		bad("latency.launches: got %d, wanted 1 to 100 processes", l.Launches)
	}
	if l.Samples < 1 || l.Samples > maxSamples || (l.Launches > 0 && l.Samples%l.Launches != 0) {
		bad("latency.samples: got %d, wanted a multiple of latency.launches (%d), at most %d", l.Samples, l.Launches, maxSamples)
	}
	if l.SamplingTimeout != 0 && l.SamplingTimeout < time.Millisecond || l.SamplingTimeout > time.Hour {
		bad("latency.sampling_timeout: got %v, wanted a time of 1ms to 1h such as 10s, or 0 for none", l.SamplingTimeout)
	}
	if l.Attempts < 0 || l.Attempts > 10 {
		bad("latency.attempts: got %d, wanted 1 to 10", l.Attempts)
	}
	if len(l.Budgets) == 0 {
		bad("latency.budgets: got none, wanted at least one; a gate needs its threshold")
	}
	for i, b := range l.Budgets {
		at := fmt.Sprintf("latency.budgets[%d]", i)
		if b.Tokens < 2 || b.Tokens > 1<<16 {
			bad("%s.tokens: got %d, wanted 2 to 65536 ([CLS] and [SEP] included)", at, b.Tokens)
		}
		if b.Batch < 1 || b.Batch > 4096 {
			bad("%s.batch: got %d, wanted 1 to 4096", at, b.Batch)
		}
		if !(b.Percentile > 0 && b.Percentile < 100) {
			bad("%s.percentile: got %v, wanted a number between 0 and 100", at, b.Percentile)
		}
		// The gate takes no sample under 1 µs for a measurement, and its self-test
		// needs room below the budget.
		if b.Budget < 10*time.Microsecond || b.Budget > time.Hour {
			bad("%s.budget: a gate needs its threshold; got %v, wanted 10µs or more, such as 20ms", at, b.Budget)
		}
		if !(b.Confidence >= 0.5 && b.Confidence < 1) {
			bad("%s.confidence: got %v, wanted 0.5 or more, below 1", at, b.Confidence)
		}
		if need := SamplesFor(b.Percentile/100, l.Confidence(b.Confidence)); l.Samples < need {
			bad("latency.samples: got %d, wanted %d or more: with fewer, none over the budget is still too likely by chance to prove p%v at confidence %v in %s",
				l.Samples, need, b.Percentile, b.Confidence, attempts(l.Attempts))
		}
		for _, c := range b.Precisions {
			if !slices.Contains(classes, c) {
				bad("%s.precisions: got %q, wanted some of %q", at, c, classes)
			}
		}
		for _, c := range b.Channels {
			if _, ok := p.Channels[c]; !ok {
				bad("%s.channels: got %q, wanted some of %q", at, c, slices.Sorted(maps.Keys(p.Channels)))
			}
		}
	}
}

// SamplesFor is how many samples can prove that a share of them lies below a
// limit: with fewer, none above it happens by chance more often than the
// confidence allows. It is 0 for what is no percentile or confidence.
func SamplesFor(share, confidence float64) int {
	if !(share > 0 && share < 1 && confidence > 0 && confidence < 1) {
		return 0
	}
	return int(math.Ceil(math.Log(1-confidence)/math.Log(share) - 1e-9))
}

func attempts(n int) string {
	if n <= 1 {
		return "one attempt"
	}
	return fmt.Sprintf("one of %d attempts", n)
}
