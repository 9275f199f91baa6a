package child

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestASpreadGoesFromTheShortestTextToTheLongest(t *testing.T) {
	ids, all := make([][]int64, 100), make([]int, 100)
	for i := range ids {
		ids[i], all[i] = make([]int64, (i*37)%100), i
	}
	s := spreadOf(ids, all, 32)
	assert.Len(t, s, 32)
	assert.Empty(t, ids[s[0]])
	assert.Len(t, ids[s[31]], 99)
	for k := 1; k < len(s); k++ {
		assert.Less(t, len(ids[s[k-1]]), len(ids[s[k]]), "a text is picked once, shortest first")
	}
	assert.Len(t, spreadOf(ids, all[:5], 32), 5, "a small corpus is taken whole")
}
