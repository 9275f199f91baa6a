package gate

import (
	"testing"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
	"github.com/stretchr/testify/require"
)

func gateOK(t testing.TB, in check.Input) verdict.Verdict {
	v, err := Gate(in)
	require.NoError(t, err)
	for _, f := range v.SelfTest {
		require.Equal(t, verdict.Pass, f.Result, "%s: %s", f.Item, f.Measured)
	}
	require.True(t, v.SelfTestPassed())
	return v
}

// judged changes good evidence and returns what the gate says of it.
func judgedRow(t *testing.T, spoil func(in *check.Input, e *evidence.Evidence)) verdict.Row {
	in := validatetest.SmallInput(t)
	spoil(&in, &in.Evidence[0])
	return gateOK(t, in).Rows[0]
}
