package environment_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

// telemetryHome names the empty home of a child of this test.
const telemetryHome = "EMBEDGATE_TEST_TELEMETRY_HOME"

// telemetryVar is what switches telemetry off.
const telemetryVar = "ORT_DISABLE_TELEMETRY"

// The library reads the environment once, when it is loaded: so the test runs
// in a process of its own, with an empty home and without the variables that
// would switch telemetry off by themselves.
func TestTheRuntimeWritesNoTelemetryToDisk(t *testing.T) {
	if home := os.Getenv(telemetryHome); home != "" {
		s, err := ort.Open(context.Background(), ort.Config{Library: providers.Library{Path: exporttest.OrtLib(t)},
			Model: modeltest.Lookup().Write(t), Provider: "cpu", Embedding: modeltest.Embedding(candidate.PoolMean, true)})
		require.NoError(t, err)
		_, err = s.Run(context.Background(), providers.Batch{Rows: 1, Cols: 3, IDs: []int64{3, 5, 2}, Mask: []int64{1, 1, 1}}, nil)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Equal(t, "1", os.Getenv(telemetryVar))
		return
	}
	home := t.TempDir()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); name != telemetryVar && name != "CI" && name != "ORT_RUNNING_UNIT_TESTS" && name != "GITHUB_ACTIONS" {
			c.Env = append(c.Env, kv)
		}
	}
	c.Env = append(c.Env, telemetryHome+"="+home, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "EMBEDGATE_ORT_LIB="+exporttest.OrtLib(t))
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, filepath.WalkDir(home, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			assert.Fail(t, "a file was written", p)
		}
		return err
	}))
}
