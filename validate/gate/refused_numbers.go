package gate

import (
	"slices"
	"strings"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/verdict"
)

// unfitItems are the findings of integrity without which the evidence's numbers
// say nothing: there are more or fewer of them than planned, no machine can have
// measured them, or they belong to something else. A failure of the others
// (source, embedding, files) is about the candidate: its numbers are real, and
// the other checks tell what is wrong with it.
var numberItems = []string{"plan", "numbers", "binding"}

// worthless tells whether integrity refused the evidence's numbers. Then the
// checks that study them are left out: their answer would mean nothing, and
// whoever made the numbers up also chose how much work they are. Each finding
// that refuses them names what is left out, so that nobody looks for it.
func refuseNumbers(integrity []verdict.Finding, others []check.Check, c check.Case) bool {
	var left []string
	for _, k := range others {
		if k.UsesNumbers && k.Concerns(c) && (c.Evidence.Crash == nil || k.HasData(c.Evidence)) {
			left = append(left, k.Name)
		}
	}
	unfit := false
	for i := range integrity {
		if f := &integrity[i]; f.Result == verdict.Fail && slices.Contains(numberItems, f.Item) {
			if !unfit && len(left) > 0 {
				f.Warnings = append(f.Warnings, "not judged, since these numbers prove nothing: "+strings.Join(left, ", "))
			}
			unfit = true
		}
	}
	return unfit
}
