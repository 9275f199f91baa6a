// Package saturation proves, from the weights in an ONNX file, whether its
// products of 8-bit integers can leave 16 bits on x86 processors without VNNI.
// It must not know which machine the file was measured on.
package saturation

import (
	"fmt"

	"github.com/embedgate/embedgate/export/onnxfile"
)

// PairLimit is the largest pair sum of signed 8-bit weights whose products with
// unsigned 8-bit numbers fit in 16 bits: 255 × 128 = 32,640 ≤ 32,767.
const PairLimit = 128

// Result is what a file's products of unsigned 8-bit inputs and signed
// 8-bit weights can do on x86 processors without VNNI.
//
// There ONNX Runtime multiplies with vpmaddubsw (AVX2, AVX-512, and SSE4.1 on
// Windows): rows 2k and 2k+1 of a column of the weights at once, the two
// products added in 16 bits, with saturation. What is multiplied are the bytes
// as they are stored: zero points are applied later, by sums of rows and
// columns. Two weights of different signs cannot leave 16 bits, so the pair sum
// is that of the weights of one sign, and a last row without a partner stands
// alone. The pairs' sums are then added in 32 bits, where nothing saturates.
//
// Sources: onnxruntime/core/mlas/lib/platform.cpp (which kernel is taken on
// which processor), x86_64/QgemmU8X8KernelAvx2.S and QgemvU8S8KernelAvx2.S (the
// pairs), qgemm.h (zero points; signed inputs take another kernel, and weights
// that are unsigned are widened to 16 bits before they are multiplied).
// Measured with ONNX Runtime 1.32 on AVX2.
type Result struct {
	Products     int      `json:"products"` // nodes that multiply so
	Columns      int      `json:"columns"`  // of their weights
	Over         int      `json:"over"`     // columns with a pair sum over PairLimit
	Largest      int      `json:"largest"`  // pair sum, 0 to 256
	Worst        string   `json:"worst"`    // label of the first node that has it
	Unknown      []string `json:"unknown"`  // products for which that is not known, with the reason; at most maxUnknown
	UnknownCount int      `json:"untold"`   // how many of them there are in all
}

// maxUnknown is how many reasons are kept.
const maxUnknown = 8

// Safe reports whether no product can saturate on any x86 processor. What is not
// known is not safe.
func (s Result) Safe() bool { return s.Over == 0 && s.UnknownCount == 0 }

// Any reports whether the file has such products, or products that may be such.
func (s Result) Any() bool { return s.Products+s.UnknownCount > 0 }

// String is the result in words: "safe on every x86 CPU", or how many columns
// are not.
func (s Result) String() string {
	switch {
	case !s.Any():
		return "no products of 8-bit integers that could saturate"
	case s.Safe():
		return fmt.Sprintf("safe on every x86 CPU: the largest pair sum of %d columns is %d, at most %d fits", s.Columns, s.Largest, PairLimit)
	case s.Over == 0:
		return s.unknownText()
	}
	text := fmt.Sprintf("%d of %d columns can saturate on CPUs without VNNI: the largest pair sum is %d, at most %d fits (%s)", s.Over, s.Columns, s.Largest, PairLimit, onnxfile.Clip(s.Worst))
	if s.UnknownCount > 0 {
		text += "; " + s.unknownText()
	}
	return text
}

func (s Result) unknownText() string {
	products := "1 product"
	if s.UnknownCount > 1 {
		products = fmt.Sprintf("%d products, the first", s.UnknownCount)
	}
	return "not known for " + products + ": " + s.Unknown[0]
}

// Read is onnxfile.Read, and what the same bytes' 8-bit products can do.
func Read(path string) (onnxfile.Model, Result, error) {
	m, b, err := onnxfile.ReadFile(path)
	if err != nil {
		return m, Result{}, err
	}
	return m, Find(m, b), nil
}
