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

// Finding is Pass without problems; else Fail, naming the first one.
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

// Short is a digest as shown to people.
func ShortDigest(digest string) string {
	if digest == "" {
		return "none"
	}
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}

// Number writes a measured value so that a difference from a threshold shows.
func Number(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-3 || a >= 1e6) {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// CosineText writes nine digits: an fp32 threshold has six nines.
func CosineText(v float64) string { return strconv.FormatFloat(v, 'f', 9, 64) }

// Settled makes v fit for a verdict: JSON has no NaN, and beyond ten digits
// processors may differ, where verdicts must not.
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
