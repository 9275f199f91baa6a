// Package report writes a verdict as tables for people, and as JSON for
// programs. It does the same for the results of other commands. Values come in
// base units and are scaled only here. It must not judge, measure or publish,
// nor know a provider or an exporter.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/embedgate/embedgate/validate/verdict"
)

// Release is what publishing did. Nil: nothing was published.
type Release struct {
	Dir     string `json:"dir"`
	Existed bool   `json:"existed"` // the same content was there already
	Digest  string `json:"digest"`  // of its content
}

// Options says how a page looks. The zero value is plain text.
type Options struct {
	Color bool
}

// JSON writes the verdict and the release as one object.
func JSON(w io.Writer, v verdict.Verdict, r *Release) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // thresholds begin with < and are read by people too
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Verdict verdict.Verdict `json:"verdict"`
		Release *Release        `json:"release,omitempty"`
	}{v, r})
}

// Tables writes what was measured, the result of each check, the best variant of
// each provider, the reason and the remedy for everything that did not pass, and
// a last line with the result.
func Tables(w io.Writer, v verdict.Verdict, r *Release, o Options) error {
	p := &page{w: w, color: o.Color}
	p.parity(v)
	p.placement(v)
	p.latency(v)
	p.worth(v)
	p.checks(v)
	p.variants(v)
	p.machines(v)
	p.notPassed(v)
	p.selfTest(v)
	p.next()
	p.summary(v, r)
	return p.err
}

// page writes until the first error, and collects the next steps for the end.
type page struct {
	w     io.Writer
	color bool
	err   error
	steps []string
}

func (p *page) say(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *page) parity(v verdict.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		if s := r.Parity; s != nil {
			rank, spearman := "-", "-"
			if s.RankTopK > 0 || s.Spearman != 0 {
				rank, spearman = fmt.Sprintf("%.4f", s.RankTopK), fmt.Sprintf("%.6f", s.Spearman)
			}
			rows = append(rows, []string{
				r.On(), r.Variant, fmt.Sprint(s.Texts), fmt.Sprintf("%.9f", s.MinCosine), fmt.Sprintf("%.9f", s.MeanCosine),
				fmt.Sprintf("%.1e", s.MaxAbs), rank, spearman,
			})
		}
	}
	p.table("Parity with the float64 golden vectors", []string{"provider", "variant", "texts", "min cosine", "mean cosine", "max abs", "top-k", "Spearman"}, rows)
}

func (p *page) latency(v verdict.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		for _, l := range r.Latency {
			rows = append(rows, []string{
				r.Provider, r.Variant, fmt.Sprint(l.Tokens), fmt.Sprint(l.Batch), ms(l.P50NS), ms(l.P95NS), ms(l.P99NS),
				samples(l), fmt.Sprintf("%.0f", l.EffectiveN),
			})
		}
	}
	p.table("Latency, text to vector (effective n: independent samples, judged by)", []string{"provider", "variant", "tokens", "batch", "p50", "p95", "p99", "n", "effective n"}, rows)
}

// samples is how many were measured, and of how many planned ones if a limit
// ended them.
func samples(l verdict.LatencySummary) string {
	if l.Planned > l.N {
		return fmt.Sprintf("%d of %d", l.N, l.Planned)
	}
	return fmt.Sprint(l.N)
}

func ms(ns int64) string { return fmt.Sprintf("%.2f ms", float64(ns)/float64(time.Millisecond)) }

// checks writes a table for each provider × variant that was measured.
func (p *page) checks(v verdict.Verdict) {
	for _, r := range v.Rows {
		if r.Result == verdict.NotMeasured {
			continue
		}
		var rows [][]string
		for _, f := range r.Findings {
			rows = append(rows, p.finding(f))
		}
		p.table(fmt.Sprintf("Checks of %s × %s (%s): %s", plain(r.On()), plain(r.Variant), need(r), p.paint(r.Result)),
			[]string{"check", "measured", "wanted", "result"}, rows)
		p.warnings(r.Findings)
	}
}

// warnings writes each warning once, with all findings that have it.
func (p *page) warnings(findings []verdict.Finding) {
	var order []string
	about := map[string][]string{}
	for _, f := range findings {
		for _, w := range f.Warnings {
			if about[w] == nil {
				order = append(order, w)
			}
			if !slices.Contains(about[w], title(f)) {
				about[w] = append(about[w], title(f))
			}
		}
	}
	for _, w := range order {
		p.text("warning: ", strings.Join(about[w], ", ")+": "+w)
	}
}

func title(f verdict.Finding) string {
	if f.Item == "" {
		return f.Check
	}
	return f.Check + ": " + f.Item
}

// finding returns the row of a check.
func (p *page) finding(f verdict.Finding) []string {
	measured, result := f.Measured, string(f.Result)
	if f.Sure != "" {
		measured += " (" + f.Sure + ")"
	}
	if f.Next != "" && f.Result != verdict.Pass && f.Result != verdict.Reported {
		result += " " + p.step(f.Next)
	}
	return []string{title(f), measured, f.Threshold, result}
}

func need(r verdict.Row) string {
	if r.Required {
		return "REQUIRED by this channel"
	}
	return "not required by this channel"
}

// step adds a sentence to the list below the tables and returns its number.
func (p *page) step(s string) string {
	for i, have := range p.steps {
		if have == s {
			return fmt.Sprintf("[%d]", i+1)
		}
	}
	p.steps = append(p.steps, s)
	return fmt.Sprintf("[%d]", len(p.steps))
}

func (p *page) selfTest(v verdict.Verdict) {
	bad := 0
	for _, f := range v.SelfTest {
		if f.Result != verdict.Pass {
			bad++
			p.text("self-test: ", f.Item+": "+string(f.Result)+" "+f.Next)
		}
	}
	if bad == 0 {
		p.say("self-test: the gate decided all %d known cases rightly\n", len(v.SelfTest))
	} else {
		p.say("self-test: the gate decided %d of %d known cases wrongly; its verdict is worth nothing\n", bad, len(v.SelfTest))
	}
}

func (p *page) next() {
	if len(p.steps) == 0 {
		return
	}
	p.say("\nWhat to do:\n")
	for i, s := range p.steps {
		p.text(fmt.Sprintf("  [%d] ", i+1), s)
	}
}

func (p *page) summary(v verdict.Verdict, r *Release) {
	s := fmt.Sprintf("%s: %s for channel %s", v.Result, v.Model, v.Channel)
	if len(v.Missing) > 0 {
		s += "; required and not passed: " + strings.Join(v.Missing, ", ")
	}
	switch {
	case r != nil && r.Existed:
		s += "; " + r.Dir + " was there already with the same content and was not changed"
	case r != nil:
		s += "; released in " + r.Dir
	case v.Result != verdict.Pass:
		s += "; nothing was published"
	}
	s = strings.Join(wrap(s, columns), "\n  ")
	p.say("\n%s%s\n", p.paint(v.Result), strings.TrimPrefix(s, string(v.Result)))
}

var colors = map[verdict.Result]string{
	verdict.Pass: "32", verdict.Fail: "31", verdict.Inconclusive: "33", verdict.NotMeasured: "33",
}
