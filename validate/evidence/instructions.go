package evidence

import (
	"slices"

	"github.com/embedgate/embedgate/internal/text"
)

// Names of instruction sets in Machine.InstructionSets: those that decide how
// a runtime multiplies integers.
const (
	SSE41      = "SSE4.1"
	AVX2       = "AVX2"             // with FMA
	AVX512     = "AVX-512"          // F, BW, DQ and VL
	VNNI       = "VNNI"             // of AVX-512 or AVX: products of 8 bits summed in 32
	AMX        = "AMX"              // tiles of 8-bit integers
	DotProduct = "NEON dot product" // sdot and udot
	I8MM       = "NEON i8mm"        // smmla and ummla
)

// instructionSets are all names, in the order of a verdict.
var instructionSets = []string{SSE41, AVX2, AVX512, VNNI, AMX, DotProduct, I8MM}

// Sanitized returns the machine as a verdict holds it, with short texts and
// known instruction sets only: evidence may contain anything.
func (m Machine) Sanitized() *Machine {
	m.OS, m.Arch, m.CPU, m.Kernel, m.Go = text.Clip(m.OS), text.Clip(m.Arch), text.Clip(m.CPU), text.Clip(m.Kernel), text.Clip(m.Go)
	if m.InstructionSets != nil {
		sets := []string{}
		for _, s := range instructionSets {
			if slices.Contains(m.InstructionSets, s) {
				sets = append(sets, s)
			}
		}
		m.InstructionSets = sets
	}
	return &m
}

// Has reports whether the machine's processor has an instruction set; known is
// false where the evidence does not say which it has.
func (m Machine) Has(set string) (has, known bool) {
	return slices.Contains(m.InstructionSets, set), m.InstructionSets != nil
}
