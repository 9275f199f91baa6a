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

// instructionSets are all names, in the order in which they are told.
var instructionSets = []string{SSE41, AVX2, AVX512, VNNI, AMX, DotProduct, I8MM}

// Shown is the machine as a verdict tells of it: evidence may say anything.
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

// Has tells whether the machine's processor has an instruction set, and known
// whether the evidence says which it has.
func (m Machine) Has(set string) (has, known bool) {
	return slices.Contains(m.InstructionSets, set), m.InstructionSets != nil
}
