package measure

import (
	"runtime"

	"github.com/embedgate/embedgate/validate"
)

// machineFacts is where this runs: what decides speed, and nothing that names
// the machine or its owner.
func machineFacts() validate.Machine {
	cpu, memory, kernel := hardware()
	if cpu == "" {
		cpu = "unknown " + runtime.GOARCH
	}
	return validate.Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpu,
		// NumCPU follows the affinity mask, GOMAXPROCS also a container's quota.
		Cores:  min(runtime.NumCPU(), runtime.GOMAXPROCS(0)),
		Memory: memory, Kernel: kernel, Go: runtime.Version(),
	}
}
