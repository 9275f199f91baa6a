package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	in := inputs{Policy: p, Golden: g, Candidate: candidate.Candidate{Digest: "c"}}
	for name, judge := range map[string]func() error{
		"gate, run and verify": func() error { _, err := judgeDirs(ctx, in, nil, "local", ""); return err },
		"check":                func() error { _, err := judgeForeign(ctx, in, "none", "local"); return err },
	} {
		began := time.Now()
		require.ErrorIs(t, judge(), context.Canceled, name)
		require.Less(t, time.Since(began), 20*time.Second)
	}
}

// Another call of the gate would not end with the first Ctrl-C.
func TestNobodyCallsTheGateWithoutAContext(t *testing.T) {
	var calls []string
	for _, dir := range []string{"../cli", ".", "../publish", "../report", "../validate/measure"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			if !strings.HasSuffix(f, "_test.go") {
				calls = append(calls, slices.Repeat([]string{filepath.ToSlash(f)}, strings.Count(string(b), "gate.Gate("))...)
			}
		}
	}
	require.Equal(t, []string{"gate.go", "../publish/gather.go"}, calls)
}
