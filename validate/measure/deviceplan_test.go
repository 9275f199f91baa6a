package measure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// The plans in testdata are in the form in which ONNX Runtime's CoreML provider
// writes them for a BERT of 6 layers. They were not recorded on hardware.
const (
	planOnGPU = "testdata/coreml-gpu.log"
	planOnCPU = "testdata/coreml-cpu.log"
)

// placementOf launches a fake recorded session that writes a plan.
func placementOf(t *testing.T, provider, plan string) outcome {
	t.Helper()
	t.Setenv(envFake, "ok")
	path, err := filepath.Abs(plan)
	require.NoError(t, err)
	t.Setenv(envPlan, path)
	o := fakeOptions(t)
	o.Stall = defaultStall
	j := o.job(provider, "fp32", providers.Library{})
	j.Kind, j.Points = protocol.PlacementKind, lengths([]int{6, 16})
	out, err := launch(t.Context(), o, step{job: j})
	require.NoError(t, err)
	require.Len(t, out.result.Placement, 2)
	return out
}

func TestACoreMLPlanGetsFromStderrIntoTheEvidence(t *testing.T) {
	for path, want := range map[string]map[string]int{
		planOnGPU: {"cpu": 2, "gpu": 149}, planOnCPU: {"cpu": 151},
	} {
		out := placementOf(t, "coreml", path)
		require.Nil(t, out.crash)
		got, products := map[string]int{}, 0
		for _, op := range out.devicePlan {
			got[op.Device]++
			if op.Op == "ios17.linear" || op.Op == "ios17.matmul" {
				products++
			}
		}
		assert.Equal(t, want, got)
		assert.Equal(t, 6*8+1, products, "of 6 layers and the pooling")
	}
}

func TestTheOutputOfAProviderWithoutADevicePlanIsIgnored(t *testing.T) {
	out := placementOf(t, "cpu", planOnGPU)
	assert.Nil(t, out.crash)
	assert.Empty(t, out.devicePlan)
}

func TestAPlanThatIsNotUnderstoodIsTheProvidersFailure(t *testing.T) {
	b, err := os.ReadFile(planOnGPU)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "plan.log")
	// Much output follows the unknown line: the child must not block on it.
	spoilt := strings.Replace(string(b), "MLGPUComputeDevice", "MLQuantumComputeDevice", 1) + strings.Repeat("more\n", 1<<18)
	require.NoError(t, os.WriteFile(path, []byte(spoilt), 0o600))
	out := placementOf(t, "coreml", path)
	require.NotNil(t, out.crash)
	assert.Equal(t, "placement", out.crash.Stage)
	assert.Contains(t, out.crash.Stderr, "MLQuantumComputeDevice")
}
