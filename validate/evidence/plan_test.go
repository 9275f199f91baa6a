package evidence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/validatetest"
)

func TestThePlanHasEachPointOnceInTheOrderOfTheBudgets(t *testing.T) {
	p := validatetest.SmallPolicy(validatetest.Laddered(5))
	p.WorthIt = nil
	p.Latency.SamplingTimeout = time.Minute
	p.Latency.Budgets = append(p.Latency.Budgets, policy.Budget{Tokens: 16, Batch: 1, Percentile: 50}, policy.Budget{Tokens: 16, Batch: 8})
	plan := evidence.PlanFor(p, validatetest.Laddered(5), "cuda", "fp32", candidate.Variant{})
	assert.Equal(t, []evidence.LatencyPoint{{16, 1}, {128, 1}, {256, 1}, {16, 8}}, plan.Points)
	assert.Equal(t, []int{16, 128, 256}, plan.Recorded)
	assert.Equal(t, time.Minute.Nanoseconds(), plan.LimitNS)
	assert.Equal(t, []int{0, 1, 2, 3, 4}, plan.Texts)
	assert.Nil(t, plan.Pairs, "the policy compares nothing")
}

func TestAFileOfFixedLengthIsMeasuredAtTheLengthsThatFit(t *testing.T) {
	p := validatetest.SmallPolicy(validatetest.Laddered(20))
	p.WorthIt = &policy.WorthIt{Provider: "cpu", Variant: "fp32", Tokens: []int{16, 128}, Rounds: 7, Samples: 5}
	plan := evidence.PlanFor(p, validatetest.Laddered(20), "coreml", "fp32", validatetest.FixedAt("16"))
	assert.Equal(t, []evidence.LatencyPoint{{16, 1}}, plan.Points)
	assert.Len(t, plan.Texts, 15, "the texts of 2 to 16 tokens")
	assert.Equal(t, &evidence.PairPlan{Provider: "cpu", Variant: "fp32", Rounds: 7, Samples: 5, Tokens: []int{16}}, plan.Pairs)
	assert.Nil(t, evidence.PlanFor(p, validatetest.Laddered(20), "cpu", "fp32", candidate.Variant{}).Pairs, "nothing is compared with itself")
}

func TestASampleOfTextsHasAllLengths(t *testing.T) {
	p := validatetest.SmallPolicy(validatetest.Laddered(20))
	few := p.Providers["cuda"]
	few.Texts = 4
	p.Providers["cuda"] = few
	texts := evidence.PlanFor(p, validatetest.Laddered(20), "cuda", "fp32", candidate.Variant{}).Texts
	assert.Equal(t, []int{0, 6, 12, 19}, texts, "from the shortest to the longest")
	g := validatetest.Laddered(20).Subset(texts)
	assert.Equal(t, []float64{0, 6, 12, 19}, g.Pooled)
	assert.Len(t, g.IDs[3], 21)
}

func TestAProviderMayHaveLaunchesOfItsOwn(t *testing.T) {
	p := validatetest.SmallPolicy(validatetest.Laddered(5))
	own := p.Providers["cuda"]
	own.Launches = 5
	p.Providers["cuda"] = own
	assert.Equal(t, 5, evidence.PlanFor(p, validatetest.Laddered(5), "cuda", "fp32", candidate.Variant{}).Launches)
	assert.Equal(t, p.Latency.Launches, evidence.PlanFor(p, validatetest.Laddered(5), "cpu", "fp32", candidate.Variant{}).Launches)
}
