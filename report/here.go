package report

import (
	"fmt"
	"io"

	"github.com/embedgate/embedgate/validate/verdict"
)

// Here writes the findings of a provider that are valid on any machine. It
// returns how many they are, and how many of them did not pass.
func Here(w io.Writer, v verdict.Verdict, provider string) (shown, bad int) {
	valid := map[string]bool{"integrity": true, "tokens": true, "parity": true, "invariance": true}
	for _, row := range v.Rows {
		if row.Provider != provider {
			continue
		}
		for _, x := range row.Findings {
			if !valid[x.Check] && row.Result != verdict.NotMeasured {
				continue
			}
			shown++
			if x.Result != verdict.Pass && x.Result != verdict.Reported {
				bad++
			}
			fmt.Fprintf(w, "%-12s here: %s × %s %s %s: %s (wanted %s)\n", x.Result, row.Provider, row.Variant, x.Check, x.Item, x.Measured, x.Threshold)
			if x.Next != "" && x.Result != verdict.Pass {
				fmt.Fprintf(w, "             next: %s\n", x.Next)
			}
		}
	}
	return shown, bad
}
