//go:build !linux && !darwin

package machine

// hardware knows nothing on this system yet.
func hardware() (cpu string, memory int64, kernel string) { return "", 0, "" }

// PeakRSS knows nothing on this system yet.
func PeakRSS() int64 { return 0 }

// ReadTicks knows nothing on this system yet.
func ReadTicks() ticks { return ticks{} }
