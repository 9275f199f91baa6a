package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/pipeline/policy"
)

// The gate itself takes no context: it is a pure function. Whoever waits for
// it must not wait when nobody wants the answer.
func TestJudgingEndsWithItsContext(t *testing.T) {
	p, err := policy.Load("../policy.yaml")
	require.NoError(t, err)
	g, ok, err := golden.Builtin(p.Model.Name)
	require.NoError(t, err)
	require.True(t, ok)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, err = Judge(ctx, p, g, candidate.Candidate{Digest: "c"}, nil, "local", "")
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(began), 20*time.Second)
}
