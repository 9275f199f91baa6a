package providers

import "slices"

// PlannedOp is one operation of a model that a provider compiled for itself,
// and the device that its compiler chose for it.
type PlannedOp struct {
	Op     string  `json:"op"`     // the compiler's name: "ios17.linear"
	Device string  `json:"device"` // "cpu", "gpu" or "ane"
	Cost   float64 `json:"cost"`   // the compiler's estimate of its share of the work, 0 to 1
}

// Devices are the classes of devices that a plan names.
var Devices = []string{"cpu", "gpu", "ane"}

// DevicePlan says that a provider compiles a model for several devices, of
// which the CPU may be one, so that the runtime's record of nodes does not tell
// what computed them. A recorded session writes the compiler's plan to stderr.
type DevicePlan struct {
	Option string              // the provider's option that says which devices it may use
	Wanted map[string][]string // of each of the option's values, the devices that the work is claimed for
	Env    []string            // "NAME=value", without which the plan may not reach stderr
}

// PlannedFor lists the devices that must do the work of a session with these
// provider options; nil where the entry has no plan, or the options are not
// known.
func (e Entry) PlannedFor(options map[string]string) []string {
	if e.Plan == nil {
		return nil
	}
	return slices.Clone(e.Plan.Wanted[options[e.Plan.Option]])
}
