package library

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
)

// intelPCI is Intel's vendor id for PCI devices.
const intelPCI = "0x8086"

// intel refuses a Linux machine that has nothing of Intel's, before a hundred
// megabytes are fetched for it. Other systems, and a library that the user
// named, are left to the runtime's own list of devices.
func (r request) intel() error {
	if file, _ := r.override(); file != "" || r.platform.OS != "linux" {
		return nil
	}
	cpu, err := os.ReadFile(r.root + "/proc/cpuinfo")
	if err != nil || strings.Contains(string(cpu), "GenuineIntel") {
		return nil // an unknown machine is not refused
	}
	vendors, _ := filepath.Glob(r.root + "/sys/class/drm/*/device/vendor")
	for _, f := range vendors {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == intelPCI {
			return nil
		}
	}
	return &fault.Error{Kind: fault.Missing, Thing: "provider " + r.entry.Name, Got: "neither a processor nor a GPU of Intel's",
		Wanted: r.entry.Needs, Next: r.entry.Remedy}
}
