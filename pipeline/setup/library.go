// Package setup finds what a machine needs for measuring: each provider's
// runtime library, and the programs and libraries for other processors. It
// also reports what is there and what is missing. It must not know what
// is measured.
package setup

import (
	"context"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
)

// Options is what the user named.
type Options struct {
	OrtLib     string   // ONNX Runtime's library; "": the export environment's
	Python     string   // interpreter of the export environment; "": one of embedgate's own
	Executable []string // the command line that starts a measuring child
	Progress   progress.Sink
}

// Finder finds the library of a provider.
type Finder func(ctx context.Context, provider string) (providers.Library, error)

// Libraries finds the runtime of any provider, and downloads it where it must.
// Its fault.Missing says what a machine lacks, and the remedy.
func Libraries(o Options) Finder { return finder(o, false) }

// LibrariesOfHardware is Libraries without software devices: one that nobody
// asked for takes minutes, and says nothing of the speed that a release
// promises.
func LibrariesOfHardware(o Options) Finder { return finder(o, true) }

func finder(o Options, refuseSoftware bool) Finder {
	return func(ctx context.Context, provider string) (providers.Library, error) {
		e, ok := providers.Lookup(provider)
		if !ok {
			return providers.Library{}, unknown(provider)
		}
		x := libraryOptions(e, o)
		x.RefuseSoftwareDevice = refuseSoftware
		return library.Find(ctx, e, x)
	}
}

func unknown(provider string) error {
	return &fault.Error{Kind: fault.Usage, Thing: "provider", Got: provider, Wanted: providers.KnownNames()}
}

// libraryOptions is how the library of a provider is looked for. Options.OrtLib
// stands for the export environment's library, wherever that is taken; others have
// their own variable.
func libraryOptions(e providers.Entry, o Options) library.Options {
	x := library.Options{Progress: o.Progress}
	if pyenv.Kind(e.Source.Env) == pyenv.Export {
		x.Override = o.OrtLib
	}
	return x
}

// FetchLibrary finds the runtime of a provider for another machine like this
// one: no device is asked for here.
func FetchLibrary(ctx context.Context, provider string, o Options) (providers.Library, error) {
	e, ok := providers.Lookup(provider)
	if !ok {
		return providers.Library{}, unknown(provider)
	}
	return library.Fetch(ctx, e, libraryOptions(e, o))
}
