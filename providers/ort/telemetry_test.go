package ort

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// telemetryHome names the empty home of a child of this test.
const telemetryHome = "EMBEDGATE_TEST_TELEMETRY_HOME"

// The library reads the environment once, when it is loaded: so a process of
// its own, which has an empty home and is told by nobody to be silent.
func TestTheRuntimeLeavesNothingOfTelemetryOnDisk(t *testing.T) {
	if home := os.Getenv(telemetryHome); home != "" {
		s := mustOpen(t, config(t, modeltest.Lookup().Write(t), handEmbedding(candidate.PoolMean, true)))
		_, err := s.Run(background, padded, nil)
		require.NoError(t, err)
		require.Equal(t, "1", os.Getenv(telemetryVar))
		return
	}
	home := t.TempDir()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	for _, kv := range os.Environ() {
		// CI and ORT_RUNNING_UNIT_TESTS would silence the runtime by themselves.
		if name, _, _ := strings.Cut(kv, "="); name != telemetryVar && name != "CI" && name != "ORT_RUNNING_UNIT_TESTS" && name != "GITHUB_ACTIONS" {
			c.Env = append(c.Env, kv)
		}
	}
	c.Env = append(c.Env, telemetryHome+"="+home, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "EMBEDGATE_ORT_LIB="+libraryPath(t))
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, filepath.WalkDir(home, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			assert.Fail(t, "a file was written", p)
		}
		return err
	}))
}
