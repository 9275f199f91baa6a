package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/verdict"
)

func (p *page) placement(v verdict.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		for _, s := range r.Placement {
			elsewhere := "nothing"
			if len(s.Elsewhere) > 0 {
				elsewhere = strings.Join(s.Elsewhere, ", ")
			}
			rows = append(rows, []string{
				r.Provider, r.Variant, fmt.Sprint(s.Tokens), text.Percent(s.NodeShare), text.Percent(s.FLOPsShare), text.Percent(s.TimeShare), elsewhere,
			})
		}
	}
	p.table("Placement: how much of the model ran on the provider itself", []string{"provider", "variant", "tokens", "nodes", "FLOPs", "time", "ran elsewhere"}, rows)
}

func (p *page) worth(v verdict.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		for _, s := range r.WorthIt {
			rows = append(rows, []string{
				r.Provider, r.Variant, fmt.Sprint(s.Tokens), s.Against, fmt.Sprintf("%.3g ×", s.Speedup), fmt.Sprintf("%d of %d", s.Won, s.Rounds),
			})
		}
	}
	p.table("Worth it: how many times as fast on the same machine, in alternating processes", []string{"provider", "variant", "tokens", "against", "speed", "rounds won"}, rows)
}

// variants writes a row for each provider × variant.
func (p *page) variants(v verdict.Verdict) {
	var rows [][]string
	for _, r := range v.Rows {
		required, bits, best, device := "no", "-", "", "-"
		if r.Required {
			required = "REQUIRED"
		}
		if r.Bits > 0 {
			bits = fmt.Sprintf("%.1f", r.Bits)
		}
		if r.Best {
			best = "best"
		}
		if r.Session != nil && r.Session.Device.Name != "" {
			device = r.Session.Device.Name
			if r.Session.Device.Software {
				device += " (emulated on the CPU)"
			}
		}
		if m := r.Emulation; m != nil {
			device = m.Model + ", emulated by " + m.Emulator
		}
		rows = append(rows, []string{r.On(), r.Variant, required, device, bits, best, string(r.Result)})
	}
	p.table("Variants (best: the fastest of a provider that passed)", []string{"provider", "variant", "required", "device", "right bits", "best", "result"}, rows)
}

// machines writes a row for each machine on which something was measured.
func (p *page) machines(v verdict.Verdict) {
	var rows [][]string
	index := map[string]int{} // of a row, by its cells after the first
	for _, r := range v.Rows {
		if r.Machine == nil {
			continue
		}
		m := *r.Machine
		sets := "not known"
		if m.InstructionSets != nil {
			sets = cmp.Or(strings.Join(m.InstructionSets, ", "), "none of those that matter")
		}
		row := []string{r.On(), m.OS + "/" + m.Arch, m.CPU, fmt.Sprint(m.Cores), sets}
		i, have := index[strings.Join(row[1:], "\x00")]
		switch {
		case !have:
			index[strings.Join(row[1:], "\x00")] = len(rows)
			rows = append(rows, row)
		case !slices.Contains(strings.Split(rows[i][0], ", "), r.On()):
			rows[i][0] += ", " + r.On()
		}
	}
	p.table("Machines", []string{"measured", "system", "processor", "cores", "instruction sets"}, rows)
}

// maxWhy is how many reasons are shown for a row. The tables of the checks have
// all.
const maxWhy = 4

// notPassed writes, for each provider × variant that did not pass, what that
// means for the release, and why. Variants with the same text share it.
func (p *page) notPassed(v verdict.Verdict) {
	for i := 0; i < len(v.Rows); i++ {
		r := v.Rows[i]
		if r.Result == verdict.Pass {
			continue
		}
		alike := []verdict.Row{r}
		for ; i+1 < len(v.Rows) && sameAbsence(r, v.Rows[i+1]); i++ {
			alike = append(alike, v.Rows[i+1])
		}
		line := wrap(fmt.Sprintf("%s: %s, %s", together(alike), r.Result, means(r)), columns-4)
		p.say("%s\n", strings.Replace(strings.Join(line, "\n    "), string(r.Result), p.paint(r.Result), 1))
		why := r.Why()
		for _, w := range why[:min(len(why), maxWhy)] {
			p.text("    why:  ", breakable(w))
		}
		if n := len(why) - maxWhy; n > 0 {
			p.say("    and %d more, in its table above\n", n)
		}
		for _, next := range remedies(r) {
			p.text("    next: ", next)
		}
	}
}

// together names the rows of one provider, such as "cpu as x86-64-v2, arm64 ×
// fp32, int8".
func together(rows []verdict.Row) string {
	var cpus, variants []string
	for _, r := range rows {
		if r.CPU != "" && !slices.Contains(cpus, r.CPU) {
			cpus = append(cpus, r.CPU)
		}
		if !slices.Contains(variants, r.Variant) {
			variants = append(variants, r.Variant)
		}
	}
	on := rows[0].Provider
	if len(cpus) > 0 {
		on += " as " + strings.Join(cpus, ", ")
	}
	return on + " × " + strings.Join(variants, ", ")
}

// sameAbsence reports whether a and b are of one provider that was not measured,
// with the same reasons and the same remedy.
func sameAbsence(a, b verdict.Row) bool {
	return a.Result == verdict.NotMeasured && b.Result == a.Result && a.Provider == b.Provider && (a.CPU == "") == (b.CPU == "") && a.Required == b.Required &&
		slices.Equal(a.Why(), b.Why()) && slices.Equal(remedies(a), remedies(b))
}

func remedies(r verdict.Row) (next []string) {
	for _, f := range r.Findings {
		if f.Result == verdict.NotMeasured {
			next = append(next, f.Next)
		}
	}
	return next
}

// breakable puts spaces into words that are longer than a line. A reason comes
// from evidence, and is not there to be copied.
func breakable(s string) string {
	var words []string
	for _, w := range strings.Fields(plain(s)) {
		words = append(words, split(w, columns-20)...)
	}
	return strings.Join(words, " ")
}

func means(r verdict.Row) string {
	if r.Required {
		return "REQUIRED by this channel: the release cannot go on without it"
	}
	return "not required by this channel: the release goes on without it"
}
