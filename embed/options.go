package embed

import (
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
)

type settings struct {
	provider, variant, library string
	sink                       progress.Sink
}

// An Option changes what Open does.
type Option func(*settings)

// WithProvider takes this provider, such as "cpu" or "coreml". Without it, Open
// takes the provider of the release that this machine has: an accelerator
// before the CPU.
func WithProvider(name string) Option { return func(s *settings) { s.provider = name } }

// WithVariant takes this variant, such as "fp32". Without it, Open takes the
// fastest one that passed on the provider.
func WithVariant(name string) Option { return func(s *settings) { s.variant = name } }

// WithLibrary opens this runtime library for the provider that WithProvider
// names, or else for the CPU. Without it, Open takes the one that
// the provider's variable names (EMBEDGATE_CUDA_LIB and so on), or fetches the
// one that embedgate pins.
func WithLibrary(path string) Option { return func(s *settings) { s.library = path } }

// WithProgress calls say with each step that takes long, such as a download.
func WithProgress(say func(message string)) Option {
	return func(s *settings) { s.sink = func(e progress.Event) { say(e.Message) } }
}

// look is how the library of a provider is looked for. A software device counts
// only where the provider was named.
func (s settings) look(e providers.Entry) library.Options {
	o := library.Options{Progress: s.sink, RefuseSoftwareDevice: s.provider == ""}
	if e.Name == s.provider || s.provider == "" && len(e.Platforms) == 0 {
		o.Override = s.library
	}
	return o
}
