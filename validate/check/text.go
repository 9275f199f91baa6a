package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/embedgate/embedgate/validate/verdict"
)

// Problems collects what is wrong with one item.
type Problems []string

func (p *Problems) Add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// Finding returns f as a Pass where there are no problems, else as a Fail that
// names the first one.
func (p Problems) Finding(f verdict.Finding) verdict.Finding {
	f.Value = float64(len(p))
	if len(p) == 0 {
		f.Result, f.Next = verdict.Pass, ""
		return f
	}
	f.Result, f.Measured = verdict.Fail, p[0]
	if n := len(p) - 1; n > 0 {
		f.Measured += fmt.Sprintf(" (and %d more)", n)
	}
	return f
}

// ShortDigest returns the beginning of a digest, for messages.
func ShortDigest(digest string) string {
	if digest == "" {
		return "none"
	}
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

// Number formats a measured value with enough digits to see a difference from
// a threshold.
func Number(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-3 || a >= 1e6) {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// CosineText formats a cosine with nine digits: an fp32 threshold has six nines.
func CosineText(v float64) string { return strconv.FormatFloat(v, 'f', 9, 64) }

// Rounded returns v as a verdict holds it: 0 for NaN and infinities, which JSON
// has not, and rounded to ten digits, since processors may differ in the digits
// after them and verdicts must not.
func Rounded(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	s, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	if err != nil {
		return 0
	}
	return s
}

// FirstOf joins at most n names and counts the rest.
func FirstOf(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:n], ", ") + fmt.Sprintf(" and %d more", len(names)-n)
}
