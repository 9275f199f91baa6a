package gate

import (
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/binding"
	"github.com/embedgate/embedgate/validate/check/numbers"
	"github.com/embedgate/embedgate/validate/check/placement"
	"github.com/embedgate/embedgate/validate/check/speed"
)

// checks returns everything that the gate proves, in the order of the findings.
// A new check is added here.
func checks() []check.Check {
	return []check.Check{
		binding.Integrity(),
		binding.Readiness(),
		numbers.Saturation(),
		placement.Check(),
		numbers.Tokens(),
		numbers.Parity(),
		numbers.Precision(),
		numbers.Invariance(),
		speed.Latency(),
		speed.Worth(),
		speed.ColdStart(),
		speed.Memory(),
		numbers.Portability(),
	}
}
