package validate

import "github.com/embedgate/embedgate/export/onnxfile"

const saturationName = "saturation"

// saturationCheck proves of a variant's file, from its weights alone, that
// products of 8-bit integers are the same on every x86 processor. A release
// that was proven on one processor would give other vectors on another.
//
// Somebody else's export is failed where that has happened: on a processor
// that saturates, with vectors that are wrong. Elsewhere it is reported.
func saturationCheck() check {
	return check{
		name: saturationName, static: true, raw: true,
		applies: func(c gateCase) bool { return c.graph.Saturation.Any() },
		holds:   func(Evidence) bool { return true },
		judge:   func(c gateCase) opinion { return opinion{findings: []Finding{saturationOf(c)}} },
		bad: []badCase{
			{name: "a pair of weights that leaves 16 bits", spoil: func(c *gateCase) bool {
				c.graph.Saturation = overLimit()
				return !c.foreign
			}},
			{name: "weights that are computed in the graph", spoil: func(c *gateCase) bool {
				c.graph.Saturation.Untold, c.graph.Saturation.Unknown = 1, []string{"it"}
				return !c.foreign
			}},
			{name: "wrong vectors where products saturate", spoil: func(c *gateCase) bool {
				if !measuredVectors(*c) {
					return false
				}
				c.graph.Saturation = overLimit()
				c.evidence.Machine.Arch, c.evidence.Machine.InstructionSets = "amd64", []string{SSE41, AVX2}
				for i := range c.evidence.Raw.Primary {
					c.evidence.Raw.Primary[i] *= -1
				}
				return true
			}},
		},
	}
}

// overLimit is one column too much.
func overLimit() onnxfile.Saturation {
	return onnxfile.Saturation{Products: 1, Columns: goodWidth, Over: 1, Largest: onnxfile.PairLimit + 1, Worst: "query"}
}

// withinLimit is as much as fits.
func withinLimit() onnxfile.Saturation {
	return onnxfile.Saturation{Products: 1, Columns: goodWidth, Largest: onnxfile.PairLimit, Worst: "query"}
}

func saturationOf(c gateCase) Finding {
	s := c.graph.Saturation
	f := Finding{
		Check: saturationName, Item: "8-bit products", Result: Pass, Measured: s.String(),
		Threshold: "none that can saturate on any x86 CPU", Value: float64(s.Over),
	}
	switch {
	case s.Safe():
	case !c.foreign:
		f.Result = Fail
		f.Next = "On a CPU without VNNI this file gives other vectors than on one with it. Scale each column of the weights so that rows 2k and 2k+1 add up to 128 at most, or use unsigned weights; `embedgate inspect` tells the figures of the file."
	case saturatesOn(c) && wrongThere(c):
		f.Result = Fail
		f.Next = "This CPU has no VNNI: the products saturate on it, and the vectors are wrong. Quantise again with weights of 7 bits (onnxruntime.quantization's reduce_range) or unsigned ones; on CPUs with VNNI the file may be right."
	default:
		f.Result, f.Threshold = Reported, "none: somebody else's export"
		f.Warnings = []string{"a CPU without VNNI may give other vectors than this file's golden; it was not shown that it does"}
	}
	return f
}

// saturatesOn tells whether the file's products can saturate on the processor
// that it was measured on. That processor must be known to be such a one.
func saturatesOn(c gateCase) bool {
	m := c.evidence.Machine
	vnni, known := m.Has(VNNI)
	avx2, _ := m.Has(AVX2)
	sse, _ := m.Has(SSE41)
	// ONNX Runtime has the kernels for SSE4.1 in its build for Windows alone.
	return c.graph.Saturation.Over > 0 && m.Arch == "amd64" && known && !vnni && (avx2 || sse && m.OS == "windows")
}

// measuredVectors tells whether there are vectors to compare.
func measuredVectors(c gateCase) bool {
	return c.golden != nil && !c.unfit && len(c.evidence.Raw.Primary) > 0
}

// wrongThere tells whether parity fails.
func wrongThere(c gateCase) bool {
	return measuredVectors(c) && worst(judgeParity(c).findings) == Fail
}
