// Package report shows a verdict to people, as tables, and to machines, as
// JSON. Values come in base units and are scaled only here. It must not judge,
// measure or publish.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/embedgate/embedgate/validate"
)

// Release is what publishing did. Nil: nothing was published.
type Release struct {
	Dir     string `json:"dir"`
	Existed bool   `json:"existed"` // the same content was there already
	Digest  string `json:"digest"`  // of its content
}

// Options says how to show it. Its zero value is plain text.
type Options struct {
	Color bool
}

// JSON writes the verdict and the release as one object.
func JSON(w io.Writer, v validate.Verdict, r *Release) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Verdict validate.Verdict `json:"verdict"`
		Release *Release         `json:"release,omitempty"`
	}{v, r})
}

// Tables writes the parity, latency and check tables, what to do about what
// did not pass, and a last line that sums up.
func Tables(w io.Writer, v validate.Verdict, r *Release, o Options) error {
	p := &page{w: w, color: o.Color}
	p.parity(v)
	p.latency(v)
	p.checks(v)
	p.notMeasured(v)
	p.selfTest(v)
	p.next()
	p.summary(v, r)
	return p.err
}

// page writes until the first error and keeps the next steps for the end.
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

func (p *page) table(title string, header []string, rows [][]string) {
	if p.err != nil || len(rows) == 0 {
		return
	}
	p.say("%s\n", title)
	t := tablewriter.NewTable(p.w,
		tablewriter.WithRendition(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleLight)}),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithHeaderAutoWrap(tw.WrapNone))
	t.Header(header)
	for _, r := range rows {
		if err := t.Append(r); err != nil {
			p.err = err
			return
		}
	}
	if p.err = t.Render(); p.err == nil {
		p.say("\n")
	}
}

func (p *page) parity(v validate.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		if s := r.Parity; s != nil {
			rank, spearman := "-", "-"
			if s.RankTopK > 0 || s.Spearman != 0 {
				rank, spearman = fmt.Sprintf("%.4f", s.RankTopK), fmt.Sprintf("%.6f", s.Spearman)
			}
			rows = append(rows, []string{
				r.Provider, r.Variant, fmt.Sprint(s.Texts), fmt.Sprintf("%.9f", s.MinCosine), fmt.Sprintf("%.9f", s.MeanCosine),
				fmt.Sprintf("%.1e", s.MaxAbs), rank, spearman,
			})
		}
	}
	p.table("Parity with the float64 golden vectors", []string{"provider", "variant", "texts", "min cosine", "mean cosine", "max abs", "top-k", "Spearman"}, rows)
}

func (p *page) latency(v validate.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		for _, l := range r.Latency {
			rows = append(rows, []string{
				r.Provider, r.Variant, fmt.Sprint(l.Tokens), fmt.Sprint(l.Batch), ms(l.P50NS), ms(l.P95NS), ms(l.P99NS),
				fmt.Sprint(l.N), fmt.Sprintf("%.0f", l.EffectiveN),
			})
		}
	}
	p.table("Latency, text to vector (effective n: independent samples, judged by)", []string{"provider", "variant", "tokens", "batch", "p50", "p95", "p99", "n", "effective n"}, rows)
}

func ms(ns int64) string { return fmt.Sprintf("%.2f ms", float64(ns)/float64(time.Millisecond)) }

func (p *page) checks(v validate.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		for _, f := range r.Findings {
			if r.Result == validate.NotMeasuredR && f.Result == validate.NotMeasuredR {
				continue
			}
			name := f.Check
			if f.Item != "" {
				name += ": " + f.Item
			}
			result := p.paint(f.Result)
			if f.Next != "" && f.Result != validate.Pass && f.Result != validate.Reported {
				result += " " + p.step(f.Next)
			}
			rows = append(rows, []string{r.Provider + " " + r.Variant, clip(name, 34), clip(f.Measured, 22), clip(f.Threshold, 18), result})
		}
	}
	p.table("Checks", []string{"provider", "check", "measured", "wanted", "result"}, rows)
}

// step keeps a sentence for the list below the tables and returns its number.
func (p *page) step(s string) string {
	for i, have := range p.steps {
		if have == s {
			return fmt.Sprintf("[%d]", i+1)
		}
	}
	p.steps = append(p.steps, s)
	return fmt.Sprintf("[%d]", len(p.steps))
}

func (p *page) notMeasured(v validate.Verdict) {
	for _, r := range v.Rows {
		if r.Result != validate.NotMeasuredR {
			continue
		}
		need := "not required by this channel"
		if r.Required {
			need = "REQUIRED by this channel"
		}
		p.say("%s × %s: %s (%s)\n", r.Provider, r.Variant, p.paint(r.Result), need)
		for _, f := range r.Findings {
			if f.Measured != "" {
				p.say("    why:  %s\n", f.Measured)
			}
			if f.Next != "" {
				p.say("    next: %s\n", f.Next)
			}
		}
	}
}

func (p *page) selfTest(v validate.Verdict) {
	bad := 0
	for _, f := range v.SelfTest {
		if f.Result != validate.Pass {
			bad++
			p.say("self-test: %s: %s %s\n", f.Item, p.paint(f.Result), f.Next)
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
		p.say("  [%d] %s\n", i+1, strings.Join(wrap(s, 92), "\n      "))
	}
}

func (p *page) summary(v validate.Verdict, r *Release) {
	p.say("\n%s: %s for channel %s", p.paint(v.Result), v.Model, v.Channel)
	if len(v.Missing) > 0 {
		p.say("; required and not passed: %s", strings.Join(v.Missing, ", "))
	}
	switch {
	case r != nil && r.Existed:
		p.say("; %s was there already with the same content and was not changed\n", r.Dir)
	case r != nil:
		p.say("; released in %s\n", r.Dir)
	case v.Result == validate.Pass:
		p.say("\n")
	default:
		p.say("; nothing was published\n")
	}
}

var colors = map[validate.Result]string{
	validate.Pass: "32", validate.Fail: "31", validate.Inconclusive: "33", validate.NotMeasuredR: "33",
}

func (p *page) paint(r validate.Result) string {
	if c := colors[r]; p.color && c != "" {
		return "\x1b[" + c + "m" + string(r) + "\x1b[0m"
	}
	return string(r)
}

// clip shortens a cell; the whole value is in the JSON.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func wrap(s string, width int) (lines []string) {
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
