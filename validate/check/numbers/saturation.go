package numbers

import (
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const SaturationName = "saturation"

// Saturation proves from a file's weights alone that its products of 8-bit
// integers are the same on every x86 processor. If they can saturate, a release
// that was proven on one processor returns other vectors on another.
//
// Somebody else's export fails only where the evidence shows wrong vectors on a
// processor that saturates. Otherwise the risk is reported.
func Saturation() check.Check {
	return check.Check{
		Name: SaturationName, Static: true, ChangesVectors: true,
		Applies: func(c check.Case) bool { return c.Graph.Saturation.Any() },
		HasData: func(evidence.Evidence) bool { return true },
		Judge:   func(c check.Case) check.Result { return check.Result{Findings: []verdict.Finding{saturationOf(c)}} },
		KnownBad: []check.BadCase{
			{Name: "a pair of weights that leaves 16 bits", Spoil: func(c *check.Case) bool {
				c.Graph.Saturation = good.UnsafeSaturation()
				return !c.Foreign
			}},
			{Name: "weights that are computed in the graph", Spoil: func(c *check.Case) bool {
				c.Graph.Saturation.UnknownCount, c.Graph.Saturation.Unknown = 1, []string{"it"}
				return !c.Foreign
			}},
			{Name: "wrong vectors where products saturate", Spoil: func(c *check.Case) bool {
				if !hasVectors(*c) {
					return false
				}
				c.Graph.Saturation = good.UnsafeSaturation()
				c.Evidence.Machine.Arch, c.Evidence.Machine.InstructionSets = "amd64", []string{evidence.SSE41, evidence.AVX2}
				for i := range c.Evidence.Raw.Primary {
					c.Evidence.Raw.Primary[i] *= -1
				}
				return true
			}},
		},
	}
}

func saturationOf(c check.Case) verdict.Finding {
	s := c.Graph.Saturation
	f := verdict.Finding{
		Check: SaturationName, Item: "8-bit products", Result: verdict.Pass, Measured: s.String(),
		Threshold: "none that can saturate on any x86 CPU", Value: float64(s.Over),
	}
	switch {
	case s.Safe():
	case !c.Foreign:
		f.Result = verdict.Fail
		f.Next = "On a CPU without VNNI this file gives other vectors than on one with it. Scale each column of the weights so that rows 2k and 2k+1 add up to 128 at most, or use unsigned weights; `embedgate inspect` shows the figures of the file."
	case saturatesOn(c) && parityFails(c):
		f.Result = verdict.Fail
		f.Next = "This CPU has no VNNI: the products saturate on it, and the vectors are wrong. Quantise again with weights of 7 bits (onnxruntime.quantization's reduce_range) or unsigned ones; on CPUs with VNNI the file may be right."
	default:
		f.Result, f.Threshold = verdict.Reported, "none: somebody else's export"
		f.Warnings = []string{"a CPU without VNNI may give other vectors than this file's golden; this evidence does not show that it does"}
	}
	return f
}

// saturatesOn reports whether the file's products can saturate on the processor
// of the evidence. It is false where the instruction sets are not known.
func saturatesOn(c check.Case) bool {
	m := c.Evidence.Machine
	vnni, known := m.Has(evidence.VNNI)
	avx2, _ := m.Has(evidence.AVX2)
	sse, _ := m.Has(evidence.SSE41)
	// Only ONNX Runtime's build for Windows has the kernels for SSE4.1.
	return c.Graph.Saturation.Over > 0 && m.Arch == "amd64" && known && !vnni && (avx2 || sse && m.OS == "windows")
}

// hasVectors reports whether there are vectors to compare.
func hasVectors(c check.Case) bool {
	return c.Golden != nil && !c.NumbersRefused && len(c.Evidence.Raw.Primary) > 0
}

// parityFails reports whether parity refuses the vectors.
func parityFails(c check.Case) bool {
	return hasVectors(c) && verdict.Worst(judgeParity(c).Findings) == verdict.Fail
}
