package numbers

import (
	"fmt"
	"math"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Precision proves that a provider computes as precisely as its class says.
// Parity's limits would also accept coarser arithmetic than the declared one;
// the size of its error shows which arithmetic was used.
func Precision() check.Check {
	return check.Check{
		Name:           "precision",
		Portable:       true,
		ChangesVectors: true,
		HasData:        func(e evidence.Evidence) bool { return len(e.Raw.Primary) > 0 },
		UsesNumbers:    true,
		Judge:          judgePrecision,
		KnownBad: []check.BadCase{
			{Name: "coarser arithmetic than declared", Item: "correct bits", Spoil: func(c *check.Case) bool {
				coarsen(c, c.Evidence.Raw.Primary, good.Indices(len(c.Golden.Texts)))
				return true
			}},
			{Name: "the golden's own vectors", Item: "correct bits", Spoil: func(c *check.Case) bool {
				c.Evidence.Raw.Primary = good.Narrow(c.Golden.Vecs)
				return true
			}},
			{Name: "coarser arithmetic only in batches", Item: "correct bits", Spoil: func(c *check.Case) bool {
				run, ok := runNamed(c, batchRun)
				if ok {
					coarsen(c, run.Vecs, run.Rows)
				}
				return ok
			}},
		},
	}
}

// coarsen adds an error of two bits more than the class allows. Its sign
// alternates, so that neither the length nor the mean shows it.
func coarsen(c *check.Case, vecs []float32, rows []int) {
	dim := c.Golden.Dim
	for k, row := range rows {
		size := check.Norm(c.Golden.Vecs[row*dim:(row+1)*dim]) / math.Sqrt(float64(dim))
		by := size * math.Exp2(2-minBits[c.Class])
		for j := range dim {
			vecs[k*dim+j] += float32(by)
			by = -by
		}
	}
}

func judgePrecision(c check.Case) check.Result {
	least, ok := minBits[c.Class]
	f := verdict.Finding{Check: "precision", Item: "correct bits", Result: verdict.Fail, Threshold: fmt.Sprintf("≥ %s, as %s computes", bitsText(least), c.Class)}
	dim, n := c.Golden.Dim, len(c.Golden.Texts)
	if !ok || c.Evidence.Raw.Dim != dim || len(c.Evidence.Raw.Primary) != n*dim {
		f.Measured, f.Next = "not one vector for each text", "Look at parity's findings about the vectors."
		return check.Result{Findings: []verdict.Finding{f}}
	}
	worst, median := bitsOf(c.Golden, c.Evidence.Raw.Primary, good.Indices(n))
	where := ""
	for _, r := range c.Evidence.Raw.Invariance {
		if len(r.Vecs) != len(r.Rows)*dim || slices.ContainsFunc(r.Rows, func(i int) bool { return i < 0 || i >= n }) || len(r.Rows) == 0 {
			continue // invariance refuses it
		}
		// In these runs only an error of most texts counts: invariance refuses
		// a single text that is off.
		if _, m := bitsOf(c.Golden, r.Vecs, r.Rows); worst >= least && m < least {
			worst, median, where = m, m, " in run "+text.Clip(r.Name)
		}
	}
	if most := maxBitsOf(c); worst > most {
		f.Measured, f.Value = fmt.Sprintf("%s, and a file of class %s has %.0f at most", bitsText(min(worst, 64)), fileClass(c), most), check.Rounded(min(worst, 64))
		f.Next = "These vectors are more exact than that file can compute them: they were not made by it, or its class in the policy is not its own. Measure again, or correct the variant's precision."
		return check.Result{Findings: []verdict.Finding{f}, Bits: f.Value}
	}
	// More bits than float32 has cannot be measured.
	worst, median = min(worst, 24), min(median, 24)
	f.Measured, f.Value = fmt.Sprintf("%s of %d%s", bitsText(worst), mantissas[c.Class], where), check.Rounded(worst)
	f.Sure = "median text " + bitsText(median)
	o := check.Result{Bits: check.Rounded(worst)}
	if worst >= least {
		f.Result = verdict.Pass
		o.Findings = []verdict.Finding{f}
		return o
	}
	f.Measured += fmt.Sprintf(": declared %s, computes like %s", c.Class, bandOf(worst).name)
	f.Next = precisionAdvice(c.Class, worst)
	if bandOf(median) != bandOf(worst) {
		f.Next += " Most texts are more precise than the whole set: look at what the few others have in common, such as a length for which the provider chooses another kernel."
	}
	o.Findings = []verdict.Finding{f}
	return o
}

// fileClass returns the class of the variant's file. The provider's class may
// be lower: it may compute a float32 file with less precision.
func fileClass(c check.Case) candidate.Precision {
	if c.Foreign { // its class is the user's guess, which may be too low
		return candidate.FP32
	}
	return c.Policy.Variants[c.Policy.FileOf(c.Evidence.Variant)].Precision
}

func maxBitsOf(c check.Case) float64 {
	if most, ok := check.MaxBits[fileClass(c)]; ok {
		return most
	}
	return check.MaxBits[candidate.FP32]
}

func bitsText(b float64) string { return fmt.Sprintf("%.1f bits", b) }

func precisionAdvice(class candidate.Precision, bits float64) string {
	if bits < bands[len(bands)-2].atLeast {
		return "The vectors are off by more than rounding in any float format: look at parity's findings about weights and pooling, and at the quantisation."
	}
	return fmt.Sprintf("Configure the provider to compute in %s (CUDA: use_tf32=0; CoreML: another MLComputeUnits; look for an option that allows reduced precision), or declare what it computes: give the variant its class in providers.NAME.effective_precision, or a variant of its own in the policy.", class)
}
