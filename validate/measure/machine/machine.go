package machine

import (
	"runtime"

	"github.com/embedgate/embedgate/providers/cores"
	"github.com/embedgate/embedgate/validate/evidence"
)

// Facts returns the machine that this process runs on: what decides its speed,
// and nothing that names the machine or its owner.
func Facts() evidence.Machine {
	cpu, memory, kernel := hardware()
	if cpu == "" {
		cpu = "unknown " + runtime.GOARCH
	}
	limit := cores.Here()
	return evidence.Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpu, InstructionSets: InstructionSets(),
		Cores: limit.Whole, Quota: limit.Quota,
		Memory: memory, Kernel: kernel, Go: runtime.Version(),
	}
}
