package gatetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Gate judges input and requires that the self-test passes.
func Gate(t testing.TB, in check.Input) verdict.Verdict {
	v, err := gate.Gate(in)
	require.NoError(t, err)
	for _, f := range v.SelfTest {
		require.Equal(t, verdict.Pass, f.Result, "%s: %s", f.Item, f.Measured)
	}
	require.True(t, v.SelfTestPassed())
	return v
}

// Judged changes good evidence of cpu × fp32 and returns its row.
func Judged(t *testing.T, spoil func(in *check.Input, e *evidence.Evidence)) verdict.Row {
	in := validatetest.SmallInput(t)
	spoil(&in, &in.Evidence[0])
	return Gate(t, in).Rows[0]
}

// OnCUDA changes good evidence of cuda × fp32 and returns its row.
func OnCUDA(t *testing.T, spoil func(in *check.Input, e *evidence.Evidence)) verdict.Row {
	in := validatetest.SmallInput(t)
	e := validatetest.EvidenceFor(t, in, "cuda", "fp32")
	spoil(&in, &e)
	in.Evidence = []evidence.Evidence{e}
	return validatetest.RowOf(t, Gate(t, in), "cuda", "fp32")
}
