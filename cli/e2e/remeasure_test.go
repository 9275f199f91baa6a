package e2e_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// sampled changes what w's policy says of its samples, and returns its path.
func (w tiny) sampled(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(w.dir, "policy.yaml")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	s := strings.Replace(string(b), "  samples: 90\n", lines, 1)
	require.NotEqual(t, string(b), s)
	require.NoError(t, os.WriteFile(path, []byte(s), 0o666))
	return path
}

func TestWhatStaysUndecidedIsMeasuredAgainAndNotForEver(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole program: run without -short")
	}
	t.Parallel()
	for attempts, again := range map[string]int{"": 0, "  attempts: 3\n": 2} {
		w := newTiny(t)
		// Samples are ended before they are enough for a PASS, and none is over
		// the budget: no run is ever decided.
		w.sampled(t, "  samples: 120\n  sampling_timeout: 1ms\n"+attempts)
		c := w.command("run", "--providers", "cpu")
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit), "%v", err)
		require.Equal(t, 3, exit.ExitCode(), "%s", out)
		require.Equal(t, again, strings.Count(string(out), "cpu × fp32: inconclusive, so measured again: attempt "), "%s", out)
		require.NoDirExists(t, filepath.Join(w.dir, "dist"))
	}
}

// A run whose first answer was none, and whose second measuring is what the
// tiny model always gives: it passes, and what is published is the second.
func TestASecondAttemptThatPassesIsPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole program: run without -short")
	}
	w := newTiny(t)
	for _, kv := range w.env {
		if name, value, _ := strings.Cut(kv, "="); os.Getenv(name) != value {
			t.Setenv(name, value)
		}
	}
	path := w.sampled(t, "  samples: 110\n  attempts: 2\n")
	program := filepath.Join(t.TempDir(), "embedgate") // testscript's Main goes by the name
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, program))

	s := &pipeline.State{WorkDir: t.TempDir(), Options: pipeline.RunOptions{
		Options: pipeline.Options{
			PolicyFile: path, Channel: "local", Show: progress.NewPrinter(io.Discard, false),
			Python: os.Getenv("EMBEDGATE_PYTHON"), OrtLib: os.Getenv("EMBEDGATE_ORT_LIB"),
			Executable: []string{program, "measure-child"},
		},
		Target: filepath.Join(w.dir, "dist"), Providers: []string{"cpu"},
	}}
	var first string
	for _, st := range pipeline.Stages {
		if st.String() == "remeasure" {
			require.Equal(t, verdict.Pass, s.Verdict.Result)
			first = s.Verdict.Rows[0].Evidence
			s.Verdict.Result, s.Verdict.Rows[0].Result = verdict.Inconclusive, verdict.Inconclusive
		}
		require.NoError(t, st.Run(context.Background(), s), st.String())
	}
	require.Equal(t, verdict.Pass, s.Verdict.Result)
	require.NotEqual(t, first, s.Verdict.Rows[0].Evidence, "it was measured anew")
	require.NotNil(t, s.Release)
	require.True(t, w.whole(t, "dist"))
	e, err := evidence.Read(filepath.Join(s.Release.Dir, "evidence", "cpu-fp32"))
	require.NoError(t, err)
	require.Equal(t, s.Verdict.Rows[0].Evidence, e.Digest)
}
