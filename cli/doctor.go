package cli

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/pipeline"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/cores"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/validate/measure/machine"
)

// symptom is one thing that doctor looked at.
type symptom struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // run cannot do without
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"`
}

func newDoctor(s *streams) *cobra.Command {
	var f common
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what was found on this machine, what is missing and how to get it",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list := examine(c.Context(), &f)
			if f.json {
				if err := encodeJSON(s.out, list); err != nil {
					return err
				}
			} else {
				for _, x := range list {
					state := "ok     "
					switch {
					case !x.OK && x.Needed:
						state = "MISSING"
					case !x.OK:
						state = "absent "
					}
					fmt.Fprintf(s.out, "%s  %-22s %s\n", state, x.Name, x.Found)
					if !x.OK && x.Next != "" {
						fmt.Fprintf(s.out, "         %-22s next: %s\n", "", x.Next)
					}
				}
			}
			for _, x := range list {
				if x.Needed && !x.OK {
					return &fault.Error{Kind: fault.Missing, Thing: x.Name, Got: x.Found, Wanted: "it, to export and measure", Next: x.Next}
				}
			}
			return nil
		},
	}
	f.runtimeFlags(c)
	f.pythonFlag(c)
	f.jsonFlag(c)
	return c
}

func examine(ctx context.Context, f *common) (list []symptom) {
	dir, err := cache.Dir()
	list = append(list, found("cache directory", true, dir, err))
	base, err := pyenv.FindBase(ctx)
	list = append(list, found("Python 3.11 or newer", true, base.Path+" "+base.Version, err))
	for _, k := range []pyenv.Kind{pyenv.Export, pyenv.Reference} {
		state, err := pyenv.State(ctx, pyenv.Options{Kind: k, Override: f.python})
		x := found(fmt.Sprintf("%s environment", k), false, state, err)
		if !x.OK {
			x.Next = map[pyenv.Kind]string{
				pyenv.Export:    "nothing: embedgate run makes it",
				pyenv.Reference: "nothing: embedgate golden makes it, and export where a model needs it",
			}[k]
		}
		list = append(list, x)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		err = &fault.Error{Thing: "cc", Got: "no C compiler on the PATH", Next: "Debian: apt-get install gcc; macOS: xcode-select --install (needed to build embedgate, not to run it)"}
	}
	list = append(list, found("C compiler", false, cc, err))
	list = append(list, symptom{Name: "processor", OK: true, Found: runtime.GOARCH + ": " + cmp.Or(strings.Join(machine.InstructionSets(), ", "), "none of the instruction sets that matter")})
	for _, c := range providers.CPUs {
		w, err := emulate.Find(ctx, c)
		how := "this machine's own"
		if w.Emulator != "" {
			how = w.Model + ", emulated by " + w.Emulator + " " + w.Version
		}
		list = append(list, found("processor "+c.Name, false, how, err))
	}
	list = append(list, processors())
	o := pipeline.Options{OrtLib: f.ortLib}
	for _, e := range providers.Catalogue {
		list = append(list, examineProvider(ctx, e, pipeline.LibraryOptions(e, o, nil)))
	}
	return list
}

// processors tells how many a measurement uses, and which quota leaves how many
// of them idle.
func processors() symptom {
	l := cores.Here()
	x := symptom{Name: "processors", OK: true, Found: fmt.Sprint(l.Whole)}
	if l.Quota > 0 {
		x.Found += fmt.Sprintf(" of %d: a cgroup grants the time of %.3g", runtime.NumCPU(), l.Quota)
	}
	return x
}

// examineProvider looks for what a provider needs and fetches nothing. Whether
// its device answers is known only when a session opens.
func examineProvider(ctx context.Context, e providers.Entry, o library.Options) symptom {
	// What every machine can have, run cannot do without.
	x := symptom{Name: "provider " + e.Name, Needed: len(e.Platforms) == 0}
	if x.Found, x.Next, x.OK = e.Available(); x.OK {
		x.Found, x.Next, x.OK = library.State(ctx, e, o)
	}
	return x
}

func found(name string, needed bool, what string, err error) symptom {
	if err == nil {
		return symptom{Name: name, OK: true, Needed: needed, Found: what}
	}
	x := symptom{Name: name, Needed: needed, Found: err.Error()}
	if e, ok := err.(*fault.Error); ok {
		x.Found, x.Next = e.Got, e.Next
	}
	return x
}
