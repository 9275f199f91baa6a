package measure

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// as measures for another processor, with a target.
func as(t *testing.T, o Options, cpu string, target func() (Target, error)) evidence.Evidence {
	t.Helper()
	o.CPU = cpu
	o.Target = func(_ context.Context, c providers.CPU) (Target, error) {
		assert.Equal(t, cpu, c.Name)
		return target()
	}
	e, err := Run(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, cpu, e.CPU)
	return e
}

func TestAnotherProcessorsEvidenceHasVectorsAndNoTimes(t *testing.T) {
	o := fakeOptions(t)
	t.Setenv(envFake, "ok")
	e := as(t, o, "arm64", func() (Target, error) { return Target{Executable: o.Executable}, nil })
	require.Nil(t, e.NotMeasured)
	require.Nil(t, e.Crash)
	assert.Len(t, e.Raw.IDs, len(e.Plan.Texts))
	assert.Len(t, e.Raw.Invariance, len(evidence.InvarianceRuns()))
	assert.Empty(t, e.Latency)
	assert.Empty(t, e.Cold)
	assert.Empty(t, e.Memory)
	assert.Empty(t, e.Placement)
	assert.Empty(t, e.Pairs)
	assert.Equal(t, runtime.GOARCH, e.Machine.Arch, "as the child reports")
	assert.Nil(t, e.Emulation)
	assert.Equal(t, o.Candidate.Manifest.Files["fake.onnx"].SHA256, e.Model)
}

func TestWhatIsMissingForAnEmulatorIsInTheEvidence(t *testing.T) {
	o := fakeOptions(t)
	e := as(t, o, "x86-64-v2", func() (Target, error) {
		return Target{}, &fault.Error{Kind: fault.Missing, Thing: "processor x86-64-v2", Got: "no QEMU", Next: "install it"}
	})
	require.NotNil(t, e.NotMeasured)
	assert.Contains(t, e.NotMeasured.Reason, "no QEMU")
	assert.Equal(t, "install it", e.NotMeasured.Remedy)
	assert.True(t, e.Raw.Empty())
}

func TestAProgramThatDoesNotStartThereIsNotMeasured(t *testing.T) {
	o := fakeOptions(t)
	e := as(t, o, "arm64", func() (Target, error) { return Target{Executable: []string{"false"}}, nil })
	require.NotNil(t, e.NotMeasured)
	assert.Contains(t, e.NotMeasured.Reason, "does not start")
}

func TestACrashOnAnotherProcessorIsACrash(t *testing.T) {
	o := fakeOptions(t)
	t.Setenv(envFake, "kill@3")
	e := as(t, o, "arm64", func() (Target, error) { return Target{Executable: o.Executable}, nil })
	require.NotNil(t, e.Crash)
	assert.Equal(t, "SIGKILL", e.Crash.Signal)
}

func TestAProviderWithADeviceHasNoEmulatedProcessor(t *testing.T) {
	o := fakeOptions(t)
	o.Provider = "webgpu"
	p := o.Policy.Providers["cpu"]
	o.Policy.Providers["webgpu"] = p
	e := as(t, o, "arm64", func() (Target, error) { return Target{}, nil })
	require.NotNil(t, e.NotMeasured)
}

func TestAnUnknownProcessorIsAUsageError(t *testing.T) {
	o := fakeOptions(t)
	o.CPU, o.Out = "z80", filepath.Join(t.TempDir(), "e")
	o.Target = func(context.Context, providers.CPU) (Target, error) { return Target{}, nil }
	_, err := Run(t.Context(), o)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}
