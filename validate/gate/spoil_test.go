package gate

import (
	"slices"
	"testing"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bad cases share what is not copied for them: one that changed it would spoil
// the cases after it.
func TestABadCaseLeavesItsBaseAlone(t *testing.T) {
	in := validatetest.SmallInput(t)
	r, err := check.NewReference(in.Golden)
	require.NoError(t, err)
	raw := map[string]bool{}
	for _, base := range slices.Concat(goodCases(in, r), portableCases(in, r)) {
		whole := validatetest.Cloned(base.Evidence)
		for _, k := range checks() {
			for _, bad := range k.KnownBad {
				if !k.Concerns(base) {
					continue
				}
				c := base
				c.Evidence = cloneFor(k, base.Evidence)
				if bad.Spoil(&c) && !assert.ObjectsAreEqual(whole.Raw, c.Evidence.Raw) {
					raw[k.Name] = true
				}
				require.True(t, assert.ObjectsAreEqual(whole, base.Evidence), "%s: %s", k.Name, bad.Name) // a difference would be pages
			}
		}
	}
	for _, k := range checks() {
		if k.ChangesVectors {
			assert.True(t, raw[k.Name], "%s copies vectors that no case of it changes", k.Name)
		}
	}
}

func TestVectorsAreComparedAgainWhenTheyChanged(t *testing.T) {
	r, err := check.NewReference(validatetest.SmallGolden())
	require.NoError(t, err)
	vecs := good.Narrow(r.Vecs)
	good := check.ParityOf(r, vecs, 5)
	assert.Equal(t, good, check.ParityOf(r, slices.Clone(vecs), 5))
	assert.Zero(t, check.ParityOf(r, vecs, 0).Spearman, "without ranking")
	assert.NotZero(t, check.ParityOf(r, vecs, 5).Spearman)
	vecs[len(vecs)-1]++
	worse := check.ParityOf(r, vecs, 5)
	assert.Less(t, worse.MinCosine, good.MinCosine)
	vecs[len(vecs)-1]--
	fresh, err := check.NewReference(validatetest.SmallGolden())
	require.NoError(t, err)
	assert.Equal(t, check.ParityOf(fresh, vecs, 3), check.ParityOf(r, vecs, 3), "other neighbours asked for")
}
