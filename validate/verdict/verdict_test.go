package verdict_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestAVerdictIsReadBackAsItWasWritten(t *testing.T) {
	v := gatetest.Gate(t, validatetest.SmallInput(t))
	path := filepath.Join(t.TempDir(), "out", "verdict.json")
	require.NoError(t, verdict.Write(path, v))
	got, err := verdict.Read(path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, files.HashBytes(data), got.Digest)
	again, err := verdict.Encode(got)
	require.NoError(t, err)
	assert.Equal(t, string(data), string(again))
	got.Digest = ""
	assert.Equal(t, v, got)

	for name, c := range map[string]struct{ a, b, want string }{
		"an unknown result":              {`"result": "PASS"`, `"result": "OK"`, `unknown result "OK"`},
		"an unknown result of a finding": {`"result": "REPORTED"`, `"result": "MAYBE"`, `unknown result "MAYBE"`},
		"an unknown key":                 {`"channel"`, `"chanel"`, "unknown field"},
		"another schema":                 {`"schema": 1`, `"schema": 9`, "schema 9"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(data), c.a, c.b, 1)), 0o600))
		_, err := verdict.Read(path)
		assert.ErrorContains(t, err, c.want, name)
		assert.Equal(t, fault.Usage, fault.KindOf(err), name)
	}
}
