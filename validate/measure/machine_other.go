//go:build !linux && !darwin

package measure

// hardware knows nothing on this system yet.
func hardware() (cpu string, memory int64, kernel string) { return "", 0, "" }

// peakRSS knows nothing on this system yet.
func peakRSS() int64 { return 0 }

// readTicks knows nothing on this system yet.
func readTicks() ticks { return ticks{} }
