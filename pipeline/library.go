package pipeline

import (
	"context"
	"slices"

	"github.com/embedgate/embedgate/export/pyenv"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
)

// Libraries finds the runtime of any provider, and downloads it where it must.
// Its fault.Missing says what a machine lacks, and the remedy.
func Libraries(o Options, sink progress.Sink) func(ctx context.Context, provider string) (providers.Library, error) {
	return finder(o, sink, false)
}

func finder(o Options, sink progress.Sink, named bool) func(ctx context.Context, provider string) (providers.Library, error) {
	return func(ctx context.Context, provider string) (providers.Library, error) {
		e, ok := providers.Lookup(provider)
		if !ok {
			return providers.Library{}, &fault.Error{Kind: fault.Usage, Thing: "provider", Got: provider, Wanted: providers.KnownNames()}
		}
		x := LibraryOptions(e, o, sink)
		x.Named = named
		return library.Find(ctx, e, x)
	}
}

// libraries finds what measuring a provider needs. A software device that
// nobody asked for is none: it takes minutes, and says nothing of the speed
// that a release promises.
func (s *State) libraries(measured string) func(context.Context, string) (providers.Library, error) {
	asked := slices.Contains(s.Options.Providers, measured) ||
		slices.Contains(s.Policy.Channels[s.Options.Channel].Require, measured)
	return finder(s.Options, s.Sink, !asked)
}

// LibraryOptions is how the library of a provider is looked for. Options.OrtLib
// stands for the export environment's library, wherever that is taken; others have
// their own variable.
func LibraryOptions(e providers.Entry, o Options, sink progress.Sink) library.Options {
	x := library.Options{CacheDir: o.CacheDir, Progress: sink}
	if pyenv.Kind(e.Source.Env) == pyenv.Export {
		x.Override = o.OrtLib
	}
	return x
}

// FetchLibrary finds the runtime of a provider for another machine like this
// one: no device is asked for here.
func FetchLibrary(ctx context.Context, provider string, o Options, sink progress.Sink) (providers.Library, error) {
	e, ok := providers.Lookup(provider)
	if !ok {
		return providers.Library{}, &fault.Error{Kind: fault.Usage, Thing: "provider", Got: provider, Wanted: providers.KnownNames()}
	}
	return library.Fetch(ctx, e, LibraryOptions(e, o, sink))
}
