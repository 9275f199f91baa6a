package devicetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort"
)

// inProcess names the test for which this test binary was started.
const inProcess = "EMBEDGATE_TEST_OWN_PROCESS"

// inOwnProcess runs the rest of a test in a process of its own, and says false where
// that is done. Once ONNX Runtime 1.30 has copied to a WebGPU device it keeps
// it until the process ends, and each session that is opened after that leaves
// 4 MB there, bound or not: the suite's rule about leaks would be broken by
// what ran before it.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	lib(t) // skips here and not there
	if os.Getenv(inProcess) == t.Name() {
		return true
	}
	require.Contains(t, child(t, t.Name(), inProcess+"="+t.Name()), "--- PASS: "+t.Name())
	return false
}

// On WebGPU inputs and outputs are in the device's own memory: bytes of the
// host that a run reads, and not what was copied, give other vectors.
func TestBoundToTheDevicesMemoryWebGPUGivesTheSameVectors(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	c, _ := tiny(t)
	bound := c
	bound.Options.IOBinding = true
	sameVectors(t, c, bound)
}

func sameVectors(t *testing.T, a, b ort.Config) {
	t.Helper()
	x, err := ort.Open(background, a)
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	y, err := ort.Open(background, b)
	require.NoError(t, err)
	defer func() { assert.NoError(t, y.Close()) }()
	for round := range 4 {
		for _, in := range []providers.Batch{batch(1, 5), batch(3, 16)} {
			for i := range in.IDs {
				in.IDs[i] += int64(round)
			}
			want, err := x.Run(background, in, nil)
			require.NoError(t, err)
			got, err := y.Run(background, in, nil)
			require.NoError(t, err)
			require.InDeltaSlice(t, want, got, 1e-6, "%d × %d in round %d", in.Rows, in.Cols, round)
		}
	}
}

// Captured work is the device's to repeat: it must read what the next run
// copies in.
func TestCapturedWorkOfWebGPUFollowsItsInput(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	c, _ := tiny(t)
	k := exporttest.TinyCandidateOf(t, exporttest.TinyOptions{}, "fp32-static16")
	c.Model = filepath.Join(k.Dir, k.Manifest.Variants["fp32-static16"].File)
	captured := c
	captured.Options.IOBinding = true
	captured.Options.Provider = map[string]string{"enableGraphCapture": "1"}
	sameVectors(t, c, captured)
}

func TestWorkThatCannotBeCapturedIsRefused(t *testing.T) {
	c, _ := tiny(t)
	c.Options.IOBinding = true
	c.Options.Provider = map[string]string{"enableGraphCapture": "1"}
	_, err := ort.Open(background, c)
	require.ErrorContains(t, err, "nodes that it leaves to another provider")
	require.Equal(t, fault.Usage, fault.KindOf(err))
	c.Options.IOBinding = false
	_, err = ort.Open(background, c)
	require.ErrorContains(t, err, "io_binding")
	require.Equal(t, fault.Usage, fault.KindOf(err))
}
