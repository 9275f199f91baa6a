package numbers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
)

// longVectors returns input of a model that does not normalise. Its vectors are
// by times as long as those of the small golden, whose length is about 15.
func longVectors(t *testing.T, by float64) check.Input {
	in := validatetest.SmallInput(t)
	in.Golden.Normalize = false
	in.Golden.Pooled = append([]float64(nil), in.Golden.Pooled...)
	for i := range in.Golden.Pooled {
		in.Golden.Pooled[i] *= by
	}
	in.Candidate.Manifest.Embedding = good.Embedding(in.Golden)
	in.Evidence = []evidence.Evidence{validatetest.EvidenceFor(t, in, "cpu", "fp32")}
	return in
}

func TestLimitsAreRelativeToTheLengthOfVectorsThatAreNotNormalised(t *testing.T) {
	length := func(g golden.Set, i int) float64 { return check.Norm(g.Embedding(i)) }
	for _, by := range []float64{1e-3, 1, 1e4} {
		in := longVectors(t, by)
		assert.Empty(t, validatetest.Failures(gatetest.Gate(t, in).Rows[0]), "vectors %g times as long", by)

		off := func(v []float32, text int, size float64) {
			v[text*in.Golden.Dim] += float32(size * length(in.Golden, text))
		}
		in = longVectors(t, by)
		off(in.Evidence[0].Raw.Primary, 7, 3e-6)
		for _, r := range in.Evidence[0].Raw.Invariance {
			off(r.Vecs, 7, 6e-6) // 3e-6 from the text alone
		}
		assert.Empty(t, validatetest.Failures(gatetest.Gate(t, in).Rows[0]), "within the limits, %g times as long", by)

		in = longVectors(t, by)
		off(in.Evidence[0].Raw.Primary, 7, 1e-5)
		row := gatetest.Gate(t, in).Rows[0]
		assert.Contains(t, validatetest.Failures(row), "FAIL parity/max abs error")
		assert.Contains(t, validatetest.Failures(row), "FAIL invariance/batch-32")
		assert.Contains(t, validatetest.Item(t, row, "parity", "max abs error").Measured, "of the length")

		in = longVectors(t, by)
		for i := range in.Evidence[0].Raw.Primary {
			in.Evidence[0].Raw.Primary[i] *= 1 + 1e-5
		}
		assert.Contains(t, validatetest.Failures(gatetest.Gate(t, in).Rows[0]), "FAIL parity/norm error")
	}
}

func TestAVectorWithoutLengthIsHeldToTheLimitsAsTheyAre(t *testing.T) {
	g := validatetest.SmallGolden()
	g.Normalize = false
	clear(g.Pooled[:g.Dim])
	r, err := check.NewReference(g)
	assert.NoError(t, err)
	assert.Equal(t, 1.0, r.Sizes[0])
	got := good.Narrow(r.Vecs)
	got[0] = 1e-3
	assert.InDelta(t, 1e-3, check.ParityOf(r, got, 0).MaxAbs, 1e-9)
}
