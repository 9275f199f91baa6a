package validate

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
)

// precisionCheck proves that a provider computes as precisely as it is declared
// to: parity's bounds leave room for a coarser kind of arithmetic than the
// declared one, and its error has a size that gives it away.
func precisionCheck() check {
	return check{
		name:     "precision",
		portable: true,
		raw:      true,
		holds:    func(e Evidence) bool { return len(e.Raw.Primary) > 0 },
		studies:  true,
		judge:    judgePrecision,
		bad: []badCase{
			{name: "coarser arithmetic than declared", item: "correct bits", spoil: func(c *gateCase) bool {
				coarsen(c, c.evidence.Raw.Primary, indices(len(c.golden.Texts)))
				return true
			}},
			{name: "the golden's own vectors", item: "correct bits", spoil: func(c *gateCase) bool {
				c.evidence.Raw.Primary = narrow(c.golden.vecs)
				return true
			}},
			{name: "coarser arithmetic in batches alone", item: "correct bits", spoil: func(c *gateCase) bool {
				run, ok := c.company(batchRun)
				if ok {
					coarsen(c, run.Vecs, run.Rows)
				}
				return ok
			}},
		},
	}
}

// coarsen adds an error that costs two bits more than the class allows, in
// turns of sign, so that no length or mean gives it away.
func coarsen(c *gateCase, vecs []float32, rows []int) {
	dim := c.golden.Dim
	for k, row := range rows {
		size := norm(c.golden.vecs[row*dim:(row+1)*dim]) / math.Sqrt(float64(dim))
		by := size * math.Exp2(2-leastBits[c.class])
		for j := range dim {
			vecs[k*dim+j] += float32(by)
			by = -by
		}
	}
}

func judgePrecision(c gateCase) opinion {
	least, ok := leastBits[c.class]
	f := Finding{Check: "precision", Item: "correct bits", Result: Fail, Threshold: fmt.Sprintf("≥ %s, as %s computes", bitsText(least), c.class)}
	dim, n := c.golden.Dim, len(c.golden.Texts)
	if !ok || c.evidence.Raw.Dim != dim || len(c.evidence.Raw.Primary) != n*dim {
		f.Measured, f.Next = "not one vector for each text", "Look at what parity says of the vectors."
		return opinion{findings: []Finding{f}}
	}
	worst, median := bitsOf(c.golden, c.evidence.Raw.Primary, indices(n))
	where := ""
	for _, r := range c.evidence.Raw.Invariance {
		if len(r.Vecs) != len(r.Rows)*dim || slices.ContainsFunc(r.Rows, func(i int) bool { return i < 0 || i >= n }) || len(r.Rows) == 0 {
			continue // invariance refuses it
		}
		// Of texts in company only what they have in common counts: a single
		// one that is off is invariance's to refuse.
		if _, m := bitsOf(c.golden, r.Vecs, r.Rows); worst >= least && m < least {
			worst, median, where = m, m, " in run "+clip(r.Name)
		}
	}
	if most := c.mostBits(); worst > most {
		f.Measured, f.Value = fmt.Sprintf("%s, and a file of class %s has %.0f at most", bitsText(min(worst, 64)), c.fileClass(), most), settled(min(worst, 64))
		f.Next = "These vectors are more exact than that file can compute them: they were not made by it, or its class in the policy is not its own. Measure again, or correct the variant's precision."
		return opinion{findings: []Finding{f}, bits: f.Value}
	}
	// Beyond the numbers' own mantissa nothing can be told.
	worst, median = min(worst, 24), min(median, 24)
	f.Measured, f.Value = fmt.Sprintf("%s of %d%s", bitsText(worst), mantissas[c.class], where), settled(worst)
	f.Sure = "median text " + bitsText(median)
	o := opinion{bits: settled(worst)}
	if worst >= least {
		f.Result = Pass
		o.findings = []Finding{f}
		return o
	}
	f.Measured += fmt.Sprintf(": declared %s, computes like %s", c.class, bandOf(worst).name)
	f.Next = precisionAdvice(c.class, worst)
	if bandOf(median) != bandOf(worst) {
		f.Next += " Most texts are more precise than all together: look at what the few have in common, such as their length, which may choose another kernel."
	}
	o.findings = []Finding{f}
	return o
}

// fileClass is the class of the variant's file, whatever the provider is held
// to: a file of float32 may be computed in less.
func (c gateCase) fileClass() candidate.Precision {
	if c.foreign { // its class is the user's guess, which may be too low
		return candidate.FP32
	}
	return c.policy.Variants[c.policy.FileOf(c.evidence.Variant)].Precision
}

func (c gateCase) mostBits() float64 {
	if most, ok := mostBits[c.fileClass()]; ok {
		return most
	}
	return mostBits[candidate.FP32]
}

func bitsText(b float64) string { return fmt.Sprintf("%.1f bits", b) }

func precisionAdvice(class candidate.Precision, bits float64) string {
	if bits < bands[len(bands)-2].atLeast {
		return "The vectors are off by more than any rounding of float formats: look at what parity says of weights and pooling, and at the quantisation."
	}
	return fmt.Sprintf("Tell the provider to compute in %s (CUDA: use_tf32=0; CoreML: another MLComputeUnits; look for an option that allows reduced precision), or declare what it does: give the variant its class in providers' classes, or a variant of its own in the policy.", class)
}
