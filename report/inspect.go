package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/pipeline/inspect"
)

// Inspection shows what a model file holds and how a provider would take it.
func Inspection(w io.Writer, x inspect.Result) error {
	p := &page{w: w}
	p.text("", fmt.Sprintf("%s: %s, %s, made by %s", x.File, size(x.Bytes), opsets(x), cmp.Or(x.Producer, "an exporter that does not say its name")))
	p.say("\n")
	var rows [][]string
	for _, v := range x.Inputs {
		rows = append(rows, value("input", v))
	}
	for _, v := range x.Outputs {
		rows = append(rows, value("output", v))
	}
	p.table("Signature", []string{"", "name", "type", "shape"}, rows)
	p.facts(x)
	if x.Readiness != nil {
		p.say("\n")
		p.readiness(*x.Readiness, cmp.Or(x.Words.Provider, x.Readiness.Provider))
	}
	return p.err
}

// facts writes what the file holds, each line with a label.
func (p *page) facts(x inspect.Result) {
	var axes []string
	for _, a := range x.Dynamic {
		axes = append(axes, fmt.Sprintf("%s (axis %d of %s)", a.Symbol, a.Axis, strings.Join(a.Of, ", ")))
	}
	for _, v := range x.Inputs {
		if v.Shape == nil {
			axes = append(axes, "perhaps those of "+v.Name+": the file does not give its shape")
		}
	}
	p.text("dynamic axes  ", cmp.Or(strings.Join(axes, "; "), "none: every input has a fixed shape"))
	var weights []string
	for _, t := range x.Weights {
		weights = append(weights, fmt.Sprintf("%s %s in %s", t.Type, size(t.Bytes), text.Plural(t.Tensors, "tensor", "tensors")))
	}
	p.text("parameters    ", thousands(x.Parameters))
	p.text("precision     ", cmp.Or(strings.Join(weights, "; "), "no weights in the file"))
	p.text("arithmetic    ", arithmetic(x.Costs))
	p.text("saturation    ", x.Words.Saturation)
	var ops []string
	for _, o := range x.Operators {
		ops = append(ops, fmt.Sprintf("%s %d", o.Op, o.Count))
	}
	p.text("operators     ", text.Plural(x.Nodes, "node", "nodes")+": "+strings.Join(ops, ", "))
}

// arithmetic returns the floating-point operations of each length, or the
// reason why they are not known.
func arithmetic(costs []inspect.Cost) string {
	var known []string
	ending := "one text; products of matrices alone"
	for _, c := range costs {
		at := "at " + text.Plural(c.Tokens, "token", "tokens")
		if c.Fixed {
			at = fmt.Sprintf("a run of %d × %d tokens, which the graph fixes however short a text is", c.Batch, c.Tokens)
			ending = "products of matrices alone"
		}
		if c.Error != "" {
			return "not known " + at + ": " + c.Error
		}
		known = append(known, scaled(c.FLOPs)+"FLOP "+at)
	}
	if len(known) == 0 {
		return "no length was asked for"
	}
	return strings.Join(known, ", ") + " (" + ending + ")"
}

// readiness names the provider by its title.
func (p *page) readiness(r inspect.Readiness, title string) {
	if r.Prediction == nil {
		p.text("", fmt.Sprintf("On %s: not predicted. embedgate keeps no table of the operators that %s takes; what runs there is known when it is measured: embedgate measure --provider %s", title, title, r.Provider))
		return
	}
	x := *r.Prediction
	heading := "Nodes that stay on the CPU, and why " + title + " does not take them"
	switch {
	case r.Basis == inspect.Record:
		heading = "Nodes that were seen on the CPU, or not at all"
		p.text("", fmt.Sprintf("On %s: %d of %d nodes are of kinds that were seen to run there. This is a record, not a list of what %s takes; what runs there is known when it is measured.", title, x.OnProvider, x.Nodes, title))
	case x.Whole():
		p.text("", fmt.Sprintf("On %s: predicted to run whole, as one partition of %s; none stays on the CPU.", title, text.Plural(x.Nodes, "node", "nodes")))
	case x.OnProvider == 0:
		p.text("", fmt.Sprintf("On %s: predicted not to run at all; %d of %s on the CPU.", title, x.Nodes, text.Plural(x.Nodes, "stays", "stay")))
	default:
		p.text("", fmt.Sprintf("On %s: predicted not to run whole; %d of %d nodes run there, in %s with %s of the matrix arithmetic, and %s on the CPU.",
			title, x.OnProvider, x.Nodes, text.Plural(x.Partitions, "partition", "partitions"), share(x), text.Plural(len(x.Elsewhere), "stays", "stay")))
	}
	p.say("\n")
	p.table(heading, []string{"nodes", "operators", "for example", "why"}, refusals(x.Elsewhere))
	for _, s := range r.Source {
		p.text("basis: ", s)
	}
}

// maxReasons is how many reasons are shown.
const maxReasons = 50

// refusals makes one row of the nodes with the same reason, the most frequent
// first.
func refusals(all []inspect.Refusal) (rows [][]string) {
	type group struct {
		first  string
		reason string
		ops    map[string]int
		n      int
	}
	var groups []*group
	by := map[string]*group{}
	for _, r := range all {
		g := by[r.Reason]
		if g == nil {
			g = &group{first: r.Node, reason: r.Reason, ops: map[string]int{}}
			groups, by[r.Reason] = append(groups, g), g
		}
		g.ops[r.Op]++
		g.n++
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(b.n, a.n) })
	if n := len(groups) - maxReasons; n > 0 {
		rest := &group{first: "", reason: fmt.Sprintf("%d more reasons, with --json", n), ops: map[string]int{}}
		for _, g := range groups[maxReasons:] {
			rest.n += g.n
		}
		groups = append(groups[:maxReasons:maxReasons], rest)
	}
	for _, g := range groups {
		names := slices.Sorted(maps.Keys(g.ops))
		slices.SortStableFunc(names, func(a, b string) int { return g.ops[b] - g.ops[a] })
		for i, name := range names {
			if len(names) > 1 {
				names[i] = fmt.Sprintf("%s %d", name, g.ops[name])
			}
		}
		rows = append(rows, []string{strconv.Itoa(g.n), strings.Join(names, ", "), g.first, g.reason})
	}
	return rows
}

func value(kind string, v inspect.Value) []string {
	shape := "not in the file"
	if v.Shape != nil {
		shape = strings.Join(v.Shape, " × ")
		if len(v.Shape) == 0 {
			shape = "a single number"
		}
	}
	return []string{kind, v.Name, v.Type, shape}
}

func opsets(x inspect.Result) string {
	s := fmt.Sprintf("opset %d", x.Opsets[""])
	for _, d := range slices.Sorted(maps.Keys(x.Opsets)) {
		if d != "" {
			s += fmt.Sprintf(" and %s %d", d, x.Opsets[d])
		}
	}
	return s
}

func share(p inspect.Prediction) string {
	if p.CostError != "" {
		return "an unknown share (" + p.CostError + ")"
	}
	return text.Percent(p.FLOPsShare)
}

// size writes a file's size in units of 1000, as file managers do.
func size(bytes int64) string { return scaled(float64(bytes)) + "B" }

// scaled writes 2.87e9 as "2.87 G". A number below 1000 has no decimals.
func scaled(v float64) string {
	unit := " "
	for _, u := range []string{" k", " M", " G", " T", " P"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, u
	}
	if unit == " " {
		return fmt.Sprintf("%.0f ", v)
	}
	return fmt.Sprintf("%.3g%s", v, unit)
}

// thousands separates groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
