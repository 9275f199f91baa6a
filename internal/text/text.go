package text

import (
	"fmt"
	"math"
	"strconv"
)

// Plural counts things in words.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Percent writes a share of 1 with two decimals. It rounds down, so that a share
// below a limit does not look like the limit, and a part does not look like the
// whole. A share that floating point holds a little below its decimal is that
// decimal.
func Percent(share float64) string {
	return fmt.Sprintf("%.2f %%", math.Floor(1e4*share+1e-9)/100)
}

// Clip keeps hostile text from filling the screen.
func Clip(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
