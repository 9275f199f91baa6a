package report

import (
	"fmt"
	"io"
	"strconv"
)

// Bar is one limit on speed or correctness, and what a benchmark measured.
type Bar struct {
	What     string
	Measured float64
	Unit     string  // "×", "µs", "allocs"; empty: a plain number
	AtLeast  bool    // Limit is a minimum; else a maximum
	Limit    float64 // in Unit
	Missing  bool    // the benchmark did not report it
}

// Held reports whether the benchmark is within the limit. One that is missing is
// not.
func (b Bar) Held() bool {
	if b.Missing {
		return false
	}
	if b.AtLeast {
		return b.Measured >= b.Limit
	}
	return b.Measured <= b.Limit
}

// Bars writes a table of bars and the number of those that held.
func Bars(w io.Writer, bars []Bar, o Options) error {
	p := &page{w: w, color: o.Color}
	var rows [][]string
	held := 0
	for _, b := range bars {
		sign, measured, result := "≤", short(b.Measured)+unit(b.Unit), "over the bar"
		if b.AtLeast {
			sign, result = "≥", "under the bar"
		}
		switch {
		case b.Missing:
			measured, result = "not reported", "missing"
		case b.Held():
			result = "held"
			held++
		}
		rows = append(rows, []string{b.What, measured, sign + " " + short(b.Limit) + unit(b.Unit), result})
	}
	p.table("Bars (times are ratios of runs that alternated in one process; a busy machine widens them)", []string{"what", "measured", "bar", "state"}, rows)
	p.say("%d of %d bars held\n", held, len(bars))
	return p.err
}

func short(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%d", int64(v))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func unit(u string) string {
	if u == "" {
		return ""
	}
	return " " + u
}
