package pipeline

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/embedgate/embedgate/internal/fault"
)

// notAnInput refuses an output file that is one of the inputs, or that lies in
// one of them, under any name that leads there. Inputs that are not there are
// left to who reads them.
func notAnInput(flag, out string, inputs ...string) error {
	at, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if in = strings.TrimPrefix(in, "@"); in == "" {
			continue
		}
		input, err := os.Stat(in)
		if err != nil {
			continue
		}
		for p := at; ; p = filepath.Dir(p) {
			if i, err := os.Stat(p); err == nil && os.SameFile(i, input) {
				return &fault.Error{
					Kind: fault.Usage, Thing: flag, Got: out + ", which is " + in + " or lies in it", Wanted: "a file that is no input: a verdict never replaces what it was given on",
					Next: "name another " + flag,
				}
			}
			if p == filepath.Dir(p) {
				break
			}
		}
	}
	return nil
}
