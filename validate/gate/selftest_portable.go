package gate

import (
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/check/numbers"
	"github.com/embedgate/embedgate/validate/verdict"
)

// portableCases returns one known-good case for each class and processor of the
// policy's portability.
func portableCases(in check.Input, r *check.Reference) []check.Case {
	var all []check.Case
	seen := map[string]bool{}
	in.Evidence = nil // it may have rows that the policy has not
	for _, k := range rowKeys(in) {
		id := string(in.Policy.Class(k.provider, k.variant)) + " " + k.cpu
		if _, known := providers.LookupCPU(k.cpu); !known || seen[id] {
			continue
		}
		seen[id] = true
		all = append(all, good.PortableCase(in.Policy, in.Channel, r, k.provider, k.variant, k.cpu))
	}
	return all
}

// portabilityRequired judges the rows of other processors that the channel
// requires, without evidence: none may pass.
func portabilityRequired(in check.Input) (verdict.Finding, bool) {
	f := selfTestFinding(numbers.PortabilityName+": required evidence that is missing", "refused as "+string(verdict.NotMeasured))
	in.Evidence = nil
	asked := false
	for _, k := range rowKeys(in) {
		if k.cpu == "" || !k.required {
			continue
		}
		asked = true
		if row, _ := judgeRow(in, nil, nil, k); row.Result != verdict.NotMeasured || !row.Required {
			f.Result, f.Measured = verdict.Fail, string(row.Result)+" for "+row.On()+" × "+row.Variant
			return f, true
		}
	}
	f.Measured, f.Next = "refused", ""
	return f, asked
}
