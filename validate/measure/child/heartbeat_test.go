package child

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

func TestASlowSessionSendsHeartbeats(t *testing.T) {
	var out bytes.Buffer
	s := newHeartbeat(&batches{}, &protocol.MessageWriter{W: &out})
	b := providers.Batch{Rows: 1, Cols: 1, IDs: []int64{2}, Mask: []int64{1}}
	_, err := s.Run(t.Context(), b, nil)
	require.NoError(t, err)
	assert.Empty(t, out.String(), "a fast one sends nothing")
	s.lastSent.Store(0)
	for range 3 {
		_, err = s.Run(t.Context(), b, nil)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, strings.Count(out.String(), protocol.MessagePrefix))
}
