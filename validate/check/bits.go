package check

import "github.com/embedgate/embedgate/export/candidate"

// MaxBits is the largest number of correct bits that a file of a class can
// have, by how it stores its weights. Rounding one exact result to float32
// leaves 25.5 bits. A model's sums and functions cost more than two of them,
// the official one's nearly five. A half-precision or 8-bit weight is itself
// off by 2⁻¹² or 2⁻⁷, and few such files have more than 13 or 8 correct bits.
// Vectors with more bits were not computed by such a file: they are the
// golden's, or another file's.
var MaxBits = map[candidate.Precision]float64{
	candidate.FP32: 24, candidate.FP32GPU: 24, candidate.TF32: 24, candidate.FP16: 17, candidate.INT8: 17,
}
