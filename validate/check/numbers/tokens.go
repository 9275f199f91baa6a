package numbers

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Tokens proves that the measuring machine's tokenizer returns the golden ids
// for each text. With wrong ids the best model returns wrong vectors.
func Tokens() check.Check {
	return check.Check{
		Name:           "tokens",
		Portable:       true,
		ChangesVectors: true,
		HasData:        func(e evidence.Evidence) bool { return len(e.Raw.IDs) > 0 },
		Judge:          judgeTokens,
		KnownBad: []check.BadCase{
			{Name: "one token changed", Spoil: func(c *check.Case) bool {
				ids := c.Evidence.Raw.IDs
				row := ids[len(ids)/2]
				if len(row) == 0 {
					return false
				}
				row[len(row)/2]++
				return true
			}},
			{Name: "a text's last token missing", Spoil: func(c *check.Case) bool {
				ids := c.Evidence.Raw.IDs
				last := len(ids) - 1
				if len(ids[last]) == 0 {
					return false
				}
				ids[last] = ids[last][:len(ids[last])-1]
				return true
			}},
			{Name: "a text left out", Spoil: func(c *check.Case) bool {
				c.Evidence.Raw.IDs = c.Evidence.Raw.IDs[1:]
				return true
			}},
		},
	}
}

func judgeTokens(c check.Case) check.Result {
	f := verdict.Finding{Check: "tokens", Item: "ids", Threshold: "the golden ids in every text"}
	got, want := c.Evidence.Raw.IDs, c.Golden.IDs
	if len(got) != len(want) {
		f.Result, f.Measured = verdict.Fail, fmt.Sprintf("ids of %d texts, wanted %d", len(got), len(want))
		f.Value = float64(len(want))
		f.Next = "Measure again with this golden: its texts and the evidence's are not the same number."
		return check.Result{Findings: []verdict.Finding{f}}
	}
	var wrong []int
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			wrong = append(wrong, i)
		}
	}
	f.Value = float64(len(wrong))
	f.Measured = fmt.Sprintf("%d of %d texts equal", len(want)-len(wrong), len(want))
	if len(wrong) == 0 {
		f.Result = verdict.Pass
		return check.Result{Findings: []verdict.Finding{f}}
	}
	first := wrong[0]
	at := 0
	for at < len(got[first]) && at < len(want[first]) && got[first][at] == want[first][at] {
		at++
	}
	f.Result = verdict.Fail
	f.Next = fmt.Sprintf("Text %q differs first at position %d: got ids %s, wanted %s. %s", c.Golden.Texts[first].ID, at,
		window(got[first], at), window(want[first], at), tokenCause(c.Golden, got, wrong))
	return check.Result{Findings: []verdict.Finding{f}}
}

// window formats the ids around a position.
func window(ids []int64, at int) string {
	from, to := max(at-1, 0), min(at+3, len(ids))
	if from >= to {
		return fmt.Sprintf("none (%s in all)", text.Plural(len(ids), "id", "ids"))
	}
	s := fmt.Sprint(ids[from:to])
	if from > 0 {
		s = "…" + s
	}
	if to < len(ids) {
		s += "…"
	}
	return s
}

// tokenCause says what most likely went wrong, from what the wrong texts have
// in common.
func tokenCause(g *check.Reference, got [][]int64, wrong []int) string {
	all := func(is func(i int) bool) bool {
		return !slices.ContainsFunc(wrong, func(i int) bool { return !is(i) })
	}
	switch {
	case all(func(i int) bool { return cutShort(got[i], g.IDs[i]) || cutShort(g.IDs[i], got[i]) }):
		return fmt.Sprintf("The ids agree up to where one side stops: the truncation limit is not the model's %d tokens, or [CLS] and [SEP] are missing.", g.MaxTokens)
	case len(wrong) == len(g.IDs):
		return "Every text is wrong: the tokenizer.json is another model's, or [CLS] and [SEP] are missing."
	case all(func(i int) bool { return hasRune(g.Texts[i], unicode.IsUpper) }):
		return "Every wrong text has capital letters: the normaliser in tokenizer.json does not lower-case as the model's does."
	case all(func(i int) bool { return !utf8.Valid(g.Texts[i].Bytes) }):
		return "Every wrong text is invalid UTF-8: each bad byte must become U+FFFD before it is tokenized."
	case all(func(i int) bool { return hasRune(g.Texts[i], func(r rune) bool { return r > unicode.MaxASCII }) }):
		return "Every wrong text has letters beyond ASCII: accents, character classes or the normaliser differ from the model's."
	case all(func(i int) bool { return hasRune(g.Texts[i], func(r rune) bool { return r == '[' }) }):
		return "Every wrong text has square brackets: special tokens such as [MASK] are not matched as the model's tokenizer does."
	}
	return "Compare the candidate's tokenizer.json with the source's."
}

// cutShort reports whether a is b without its end. A final [SEP] in an earlier
// position does not count as a difference.
func cutShort(a, b []int64) bool {
	return len(a) < len(b) && len(a) > 0 && slices.Equal(a[:len(a)-1], b[:len(a)-1])
}

func hasRune(t golden.Text, is func(rune) bool) bool {
	for _, r := range string(t.Bytes) {
		if is(r) {
			return true
		}
	}
	return false
}
