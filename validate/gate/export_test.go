package gate

import (
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// The tests are a package of their own, so that they can use gatetest, which
// imports this one. These are the functions that they call besides Gate.
var (
	Checks        = checks
	GateWith      = gateWith
	MarkBest      = markBest
	RunChecks     = runChecks
	GoodCases     = goodCases
	PortableCases = portableCases
	CloneFor      = cloneFor
)

// PlanOfRow is what the policy wants measured for a row.
func PlanOfRow(in check.Input, provider, variant, cpu string) evidence.Plan {
	return planOfRow(in, rowKey{provider: provider, variant: variant, cpu: cpu})
}

// JudgeRow makes the row of one provider × variant, without the self-test.
func JudgeRow(in check.Input, r *check.References, provider, variant string) verdict.Row {
	row, _ := judgeRow(in, checks(), r, rowKey{provider: provider, variant: variant})
	return row
}
