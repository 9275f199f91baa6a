package setup

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/cores"
	"github.com/embedgate/embedgate/providers/emulate"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/validate/measure/machine"
)

// Part is one thing of a machine that matters.
type Part struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // run cannot do without
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"`
}

// Examine looks at this machine. It fetches and changes nothing.
func Examine(ctx context.Context, o Options) (list []Part) {
	dir, err := cache.Dir()
	list = append(list, found("cache directory", true, dir, err))
	base, err := pyenv.FindBase(ctx)
	list = append(list, found("Python 3.11 or newer", true, base.Path+" "+base.Version, err))
	for _, k := range []pyenv.Kind{pyenv.Export, pyenv.Reference} {
		state, err := pyenv.State(ctx, pyenv.Options{Kind: k, Override: o.Python})
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
	list = append(list, Part{Name: "processor", OK: true, Found: runtime.GOARCH + ": " + cmp.Or(strings.Join(machine.InstructionSets(), ", "), "none of the instruction sets that matter")})
	for _, c := range providers.CPUs {
		w, err := emulate.Find(ctx, c)
		how := "this machine's own"
		if w.Emulator != "" {
			how = w.Model + ", emulated by " + w.Emulator + " " + w.Version
		}
		list = append(list, found("processor "+c.Name, false, how, err))
	}
	list = append(list, processors())
	for _, e := range providers.Catalogue {
		list = append(list, examineProvider(ctx, e, libraryOptions(e, o)))
	}
	return list
}

// processors reports how many a measurement uses, and which quota leaves how many
// of them idle.
func processors() Part {
	l := cores.Here()
	x := Part{Name: "processors", OK: true, Found: fmt.Sprint(l.Whole)}
	if l.Quota > 0 {
		x.Found += fmt.Sprintf(" of %d: a cgroup grants the time of %.3g", runtime.NumCPU(), l.Quota)
	}
	return x
}

// examineProvider looks for what a provider needs and fetches nothing. Whether
// its device answers is known only when a session opens.
func examineProvider(ctx context.Context, e providers.Entry, o library.Options) Part {
	// What every machine can have, run cannot do without.
	x := Part{Name: "provider " + e.Name, Needed: len(e.Platforms) == 0}
	if x.Found, x.Next, x.OK = e.Available(); x.OK {
		x.Found, x.Next, x.OK = library.State(ctx, e, o)
	}
	return x
}

func found(name string, needed bool, what string, err error) Part {
	if err == nil {
		return Part{Name: name, OK: true, Needed: needed, Found: what}
	}
	x := Part{Name: name, Needed: needed, Found: err.Error()}
	if e, ok := err.(*fault.Error); ok {
		x.Found, x.Next = e.Got, e.Next
	}
	return x
}
