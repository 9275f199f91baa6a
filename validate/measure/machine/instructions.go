package machine

import (
	"slices"

	"golang.org/x/sys/cpu"

	"github.com/embedgate/embedgate/validate/evidence"
)

// InstructionSets returns the instruction sets of this processor that decide how
// a runtime multiplies, by evidence's names and in a fixed order. It asks the
// processor itself, as runtimes do: under an emulator /proc/cpuinfo describes
// the host. Empty: none of them, or a processor that cannot be asked.
func InstructionSets() []string {
	sets := []string{}
	for _, s := range []struct {
		name string
		have bool
	}{
		{evidence.SSE41, cpu.X86.HasSSE41},
		{evidence.AVX2, cpu.X86.HasAVX2 && cpu.X86.HasFMA},
		// Runtimes need more of AVX-512 than its foundation.
		{evidence.AVX512, cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL},
		{evidence.VNNI, cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI},
		{evidence.AMX, cpu.X86.HasAMXTile && cpu.X86.HasAMXInt8},
		{evidence.DotProduct, cpu.ARM64.HasASIMDDP},
		{evidence.I8MM, cpu.ARM64.HasI8MM},
	} {
		if s.have {
			sets = append(sets, s.name)
		}
	}
	return slices.Clip(sets)
}
