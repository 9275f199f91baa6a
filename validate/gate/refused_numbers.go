package gate

import (
	"slices"
	"strings"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/verdict"
)

// numberItems are the findings of integrity that judge the evidence's numbers:
// whether there are as many as planned, whether a machine can have measured
// them, and what they belong to. The others (source, embedding, files) judge
// the candidate: the numbers of a wrong candidate are real, and the other
// checks say what is wrong with it.
var numberItems = []string{"plan", "numbers", "binding"}

// refuseNumbers reports whether integrity refused the evidence's numbers. The
// checks that use them are then not run: their result would mean nothing, and
// whoever invented the numbers also chose how much work they cause. The first
// finding that refuses them gets a warning with the names of these checks.
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
