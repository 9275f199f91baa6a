package validate

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Bad cases share what is not copied for them: one that changed it would spoil
// the cases after it.
func TestABadCaseLeavesItsBaseAlone(t *testing.T) {
	in := smallInput(t)
	r, err := newReference(in.Golden)
	require.NoError(t, err)
	raw := map[string]bool{}
	for _, base := range slices.Concat(goodCases(in, r), portableCases(in, r)) {
		whole := cloned(base.evidence)
		for _, k := range checks() {
			for _, bad := range k.bad {
				if !k.concerns(base) {
					continue
				}
				c := base
				c.evidence = cloneFor(k, base.evidence)
				if bad.spoil(&c) && !assert.ObjectsAreEqual(whole.Raw, c.evidence.Raw) {
					raw[k.name] = true
				}
				require.True(t, assert.ObjectsAreEqual(whole, base.evidence), "%s: %s", k.name, bad.name) // a difference would be pages
			}
		}
	}
	for _, k := range checks() {
		if k.raw {
			assert.True(t, raw[k.name], "%s copies vectors that no case of it changes", k.name)
		}
	}
}

func TestVectorsAreComparedAgainWhenTheyChanged(t *testing.T) {
	r, err := newReference(smallGolden())
	require.NoError(t, err)
	vecs := narrow(r.vecs)
	good := parityOf(r, vecs, 5)
	assert.Equal(t, good, parityOf(r, slices.Clone(vecs), 5))
	assert.Zero(t, parityOf(r, vecs, 0).spearman, "without ranking")
	assert.NotZero(t, parityOf(r, vecs, 5).spearman)
	vecs[len(vecs)-1]++
	worse := parityOf(r, vecs, 5)
	assert.Less(t, worse.minCosine, good.minCosine)
	vecs[len(vecs)-1]--
	fresh, err := newReference(smallGolden())
	require.NoError(t, err)
	assert.Equal(t, parityOf(fresh, vecs, 3), parityOf(r, vecs, 3), "other neighbours asked for")
}
