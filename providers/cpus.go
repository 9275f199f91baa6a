package providers

import "slices"

// CPU is a kind of processor on which a release must give the same vectors. It
// is data, as an Entry is: the names are the policy's, the models QEMU's.
type CPU struct {
	Name  string // in policy and evidence: "x86-64-v2"
	Title string // for people
	Arch  string // in Go's names
	Model string // QEMU's name of a processor that has this and no more
	// Native says that any machine of this architecture stands for it, without
	// an emulator.
	Native bool
}

// CPUs is every processor that embedgate can emulate. The levels of x86-64 are
// those of the System V ABI for x86-64, section "Micro-Architecture Levels";
// QEMU's models are its i386 and arm targets' documentation's.
var CPUs = []CPU{
	{Name: "x86-64-v2", Title: "x86-64 with SSE4.2 and no AVX", Arch: "amd64", Model: "Nehalem"},
	{Name: "x86-64-v3", Title: "x86-64 with AVX2 and no AVX-512 or VNNI", Arch: "amd64", Model: "Haswell"},
	{Name: "arm64", Title: "64-bit ARM", Arch: "arm64", Model: "neoverse-n1", Native: true},
}

// LookupCPU returns the processor of that name.
func LookupCPU(name string) (CPU, bool) {
	i := slices.IndexFunc(CPUs, func(c CPU) bool { return c.Name == name })
	if i < 0 {
		return CPU{}, false
	}
	return CPUs[i], true
}

// CPUNames returns every processor's name.
func CPUNames() (names []string) {
	for _, c := range CPUs {
		names = append(names, c.Name)
	}
	return names
}
