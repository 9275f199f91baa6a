package machine

import "golang.org/x/sys/unix"

// hardware reads the processor's name, the memory in bytes and the kernel's
// release. What cannot be read is empty.
func hardware() (cpu string, memory int64, kernel string) {
	cpu, _ = unix.Sysctl("machdep.cpu.brand_string")
	kernel, _ = unix.Sysctl("kern.osrelease")
	n, _ := unix.SysctlUint64("hw.memsize")
	return cpu, int64(n), kernel
}

// PeakRSS is the largest resident set of this process, in bytes.
func PeakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss // macOS counts bytes where Linux counts kilobytes
}

// ReadTicks tells nothing: macOS counts no stolen time.
func ReadTicks() ticks { return ticks{} }
