package validate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// laddered has texts of 2, 3, … tokens.
func laddered(n int) golden.Set {
	g := golden.Set{Dim: 1, MaxTokens: 256}
	for i := range n {
		g.Texts = append(g.Texts, golden.Text{ID: string(rune('a' + i))})
		g.IDs = append(g.IDs, make([]int64, 2+i))
		g.Pooled = append(g.Pooled, float64(i))
	}
	return g
}

func fixedAt(cols string) candidate.Variant {
	return candidate.Variant{Inputs: []candidate.Tensor{{Name: "input_ids", Type: "int64", Shape: []string{"1", cols}}}}
}

func TestThePlanHasEachPointOnceInTheOrderOfTheBudgets(t *testing.T) {
	p := smallPolicy(laddered(5))
	p.WorthIt = nil
	p.Latency.Limit = time.Minute
	p.Latency.Budgets = append(p.Latency.Budgets, policy.Budget{Tokens: 16, Batch: 1, Percentile: 50}, policy.Budget{Tokens: 16, Batch: 8})
	plan := PlanFor(p, laddered(5), "cuda", "fp32", candidate.Variant{})
	assert.Equal(t, []LatencyPoint{{16, 1}, {128, 1}, {256, 1}, {16, 8}}, plan.Points)
	assert.Equal(t, []int{16, 128, 256}, plan.Recorded)
	assert.Equal(t, time.Minute.Nanoseconds(), plan.LimitNS)
	assert.Equal(t, []int{0, 1, 2, 3, 4}, plan.Texts)
	assert.Nil(t, plan.Pairs, "the policy compares nothing")
}

func TestAFileOfFixedLengthIsMeasuredAtWhatFitsIt(t *testing.T) {
	p := smallPolicy(laddered(20))
	p.WorthIt = &policy.WorthIt{Provider: "cpu", Variant: "fp32", Tokens: []int{16, 128}, Rounds: 7, Samples: 5}
	plan := PlanFor(p, laddered(20), "coreml", "fp32", fixedAt("16"))
	assert.Equal(t, []LatencyPoint{{16, 1}}, plan.Points)
	assert.Len(t, plan.Texts, 15, "the texts of 2 to 16 tokens")
	assert.Equal(t, &PairPlan{Provider: "cpu", Variant: "fp32", Rounds: 7, Samples: 5, Tokens: []int{16}}, plan.Pairs)
	assert.Nil(t, PlanFor(p, laddered(20), "cpu", "fp32", candidate.Variant{}).Pairs, "nothing is compared with itself")
}

func TestAFewTextsStandForAll(t *testing.T) {
	p := smallPolicy(laddered(20))
	few := p.Providers["cuda"]
	few.Texts = 4
	p.Providers["cuda"] = few
	texts := PlanFor(p, laddered(20), "cuda", "fp32", candidate.Variant{}).Texts
	assert.Equal(t, []int{0, 6, 12, 19}, texts, "from the shortest to the longest")
	g := laddered(20).Subset(texts)
	assert.Equal(t, []float64{0, 6, 12, 19}, g.Pooled)
	assert.Len(t, g.IDs[3], 21)
}

func TestEvidenceOfOtherTextsThanPlannedIsRefused(t *testing.T) {
	in := smallInput(t)
	few := in.Policy.Providers["cpu"]
	few.Texts = 12
	in.Policy.Providers["cpu"] = few
	v := gate(t, in)
	require.Equal(t, Fail, v.Result)
	assert.Contains(t, failures(rowOf(t, v, "cpu", "fp32")), "FAIL integrity/plan")
}

func TestAProviderMayHaveLaunchesOfItsOwn(t *testing.T) {
	p := smallPolicy(laddered(5))
	own := p.Providers["cuda"]
	own.Launches = 5
	p.Providers["cuda"] = own
	assert.Equal(t, 5, PlanFor(p, laddered(5), "cuda", "fp32", candidate.Variant{}).Launches)
	assert.Equal(t, p.Latency.Launches, PlanFor(p, laddered(5), "cpu", "fp32", candidate.Variant{}).Launches)
}
