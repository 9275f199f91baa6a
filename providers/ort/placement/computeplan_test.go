package placement

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/providers"
)

// Untested on hardware: written after the library's format string and a plan
// of CoreML's own from a Mac.
const plan = `2026-11-25 16:59:10.628 embedgate[67391:1771143] profile function : main
2026-11-25 16:59:10.785 embedgate[67391:1771143] Operation: ios17.linear, Device Usage: <MLGPUComputeDevice: 0x6000036e8170>, Estimated Cost: 0.250000
something else that was written to stderr
2026-11-25 16:59:10.785 embedgate[67391:1771143] Operation: ios17.gather, Device Usage: <MLCPUComputeDevice: 0x6000036e8170>, Estimated Cost: 0.010000
2026-11-25 16:59:10.785 embedgate[67391:1771143] Operation: ios17.softmax, Device Usage: <MLNeuralEngineComputeDevice: 0x6000036ec0e0>, Estimated Cost: 0.740000
2026-11-25 16:59:10.785 embedgate[67391:1771143] Operation: ios17.cast, Device Usage: (null), Estimated Cost: 0.000000
`

func TestAComputePlanSaysWhichDeviceEachOperationGot(t *testing.T) {
	got, err := ReadComputePlan(strings.NewReader(plan))
	require.NoError(t, err)
	assert.Equal(t, []providers.PlannedOp{
		{Op: "ios17.linear", Device: "gpu", Cost: 0.25}, {Op: "ios17.gather", Device: "cpu", Cost: 0.01}, {Op: "ios17.softmax", Device: "ane", Cost: 0.74},
	}, got)
	long, err := ReadComputePlan(strings.NewReader(strings.Repeat("x", 3*maxPlanLine) + "\n" + plan + strings.Repeat("y", 2*maxPlanLine)))
	require.NoError(t, err, "another's line may have any length")
	assert.Equal(t, got, long)
	got, err = ReadComputePlan(strings.NewReader("nothing of CoreML\n"))
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestAnUnknownComputePlanIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ from, to, says string }{
		"an unknown device":   {"MLGPUComputeDevice", "MLQuantumComputeDevice", "MLQuantumComputeDevice"},
		"no device":           {", Device Usage: <MLGPU", ", Device: <MLGPU", "wanted an operation"},
		"a cost that is none": {"0.250000", "nan", "wanted an operation"},
		"a negative cost":     {"0.250000", "-1", "wanted an operation"},
		"no operation":        {"ios17.linear", "", "wanted an operation"},
		"a line without end":  {"ios17.linear", strings.Repeat("x", maxPlanLine), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadComputePlan(strings.NewReader(strings.Replace(plan, c.from, c.to, 1)))
			assert.ErrorContains(t, err, c.says)
			assert.Nil(t, got)
		})
	}
}

func FuzzComputePlan(f *testing.F) {
	f.Add(plan)
	f.Fuzz(func(t *testing.T, s string) {
		all, err := ReadComputePlan(strings.NewReader(s))
		for _, op := range all {
			if err != nil || op.Op == "" || op.Device == "" || !(op.Cost >= 0) {
				t.Errorf("%+v %v", op, err)
			}
		}
	})
}
