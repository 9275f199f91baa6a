package check_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/validatetest"
)

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
