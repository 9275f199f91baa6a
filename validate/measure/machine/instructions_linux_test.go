package machine

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/validate/evidence"
)

// envSets makes TestInstructionSets print them, in the emulated process.
const envSets = "EMBEDGATE_TEST_SETS"

func TestInstructionSets(t *testing.T) {
	sets := InstructionSets()
	if os.Getenv(envSets) != "" {
		t.Logf("sets=%s;", strings.Join(sets, "+"))
	}
	require.NotNil(t, sets, "none is known, too")
	assert.Equal(t, sets, Facts().InstructionSets)
}

// /proc/cpuinfo tells of the host under user emulation; the processor does not.
func TestAnEmulatedProcessorTellsItsOwnInstructionSets(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("emulates x86-64 on x86-64")
	}
	qemu, err := exec.LookPath("qemu-x86_64-static")
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "CI installs qemu-user-static")
		t.Skip("needs Debian's qemu-user-static")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	for model, want := range map[string][]string{
		"core2duo": {}, "Nehalem": {evidence.SSE41}, "Haswell": {evidence.SSE41, evidence.AVX2},
	} {
		c := exec.CommandContext(t.Context(), qemu, "-cpu", model, exe, "-test.run=^TestInstructionSets$", "-test.v")
		c.Env = append(os.Environ(), envSets+"=1")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "sets="+strings.Join(want, "+")+";", model)
	}
}
