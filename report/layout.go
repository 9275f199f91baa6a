package report

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/embedgate/embedgate/validate/verdict"
)

// columns is the width of a page. Only a longer word goes beyond it: paths and
// commands are there to be copied.
const columns = 100

// table writes every cell in full. The widest cells are wrapped where they do
// not fit.
func (p *page) table(title string, header []string, rows [][]string) {
	if p.err != nil || len(rows) == 0 {
		return
	}
	p.say("%s\n", title)
	t := tablewriter.NewTable(p.w,
		tablewriter.WithRendition(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleLight)}),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithHeaderAutoWrap(tw.WrapNone))
	all := fit(append([][]string{header}, rows...), columns-1-3*len(header))
	t.Header(all[0])
	for _, r := range all[1:] {
		if header[len(header)-1] == "result" {
			r[len(r)-1] = p.paintPrefix(r[len(r)-1])
		}
		if err := t.Append(r); err != nil {
			p.err = err
			return
		}
	}
	if p.err = t.Render(); p.err == nil {
		p.say("\n")
	}
}

// paintPrefix colours a result at the start of a cell.
func (p *page) paintPrefix(cell string) string {
	for r := range colors {
		if rest, ok := strings.CutPrefix(cell, string(r)); ok {
			return p.paint(r) + rest
		}
	}
	return cell
}

// text writes a paragraph after a label, or nothing where it is empty.
func (p *page) text(label, s string) {
	if s == "" {
		return
	}
	indent := utf8.RuneCountInString(label)
	p.say("%s%s\n", label, strings.Join(wrap(s, columns-indent), "\n"+strings.Repeat(" ", indent)))
}

// paint colours a result if the options want it.
func (p *page) paint(r verdict.Result) string {
	if c := colors[r]; p.color && c != "" {
		return "\x1b[" + c + "m" + string(r) + "\x1b[0m"
	}
	return string(r)
}

// fit wraps the cells of the widest columns until the rows are at most width
// wide. All rows have as many cells as the first.
func fit(rows [][]string, width int) [][]string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(plain(c)))
		}
	}
	for sum(widths) > width {
		i := slices.Index(widths, slices.Max(widths))
		if widths[i] == 1 {
			break
		}
		widths[i]--
	}
	out := make([][]string, len(rows))
	for j, r := range rows {
		for i, c := range r {
			var lines []string
			for _, l := range wrap(c, widths[i]) {
				lines = append(lines, split(l, widths[i])...)
			}
			out[j] = append(out[j], strings.Join(lines, "\n"))
		}
	}
	return out
}

func sum(all []int) (n int) {
	for _, v := range all {
		n += v
	}
	return n
}

// split cuts a word that is wider than its column.
func split(s string, width int) (parts []string) {
	r := []rune(s)
	for len(r) > width {
		parts, r = append(parts, string(r[:width])), r[width:]
	}
	return append(parts, string(r))
}

// wrap breaks s between words into lines of at most width characters. A longer
// word is a line by itself.
func wrap(s string, width int) (lines []string) {
	line, n := "", 0
	for _, w := range strings.Fields(plain(s)) {
		m := utf8.RuneCountInString(w)
		if line != "" && n+1+m > width {
			lines, line, n = append(lines, line), "", 0
		}
		if line != "" {
			line, n = line+" ", n+1
		}
		line, n = line+w, n+m
	}
	return append(lines, line)
}

// plain replaces control characters: evidence is hostile, and could control the
// terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '?'
	}, s)
}
