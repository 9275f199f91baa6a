package good

import (
	"slices"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
)

// session returns the session that a machine of four cores opens.
func session(c check.Case, provider, variant string) providers.Info {
	entry, _ := providers.Lookup(provider)
	wish := c.Policy.Providers[provider]
	s := providers.Info{
		Provider: provider, Runtime: string(entry.Runtime), RuntimeVersion: entry.Source.RuntimeVersion(), LibrarySHA256: OtherDigest,
		Options: providers.Options{
			Threads: wish.Threads, DisabledOptimizers: slices.Clone(entry.Disabled), Provider: entry.OptionsWith(c.Policy.OptionsOf(provider, variant)),
			Strict: wish.Placement != nil && wish.Placement.Strict, IOBinding: wish.IOBinding,
		},
	}
	if s.Options.Threads == 0 {
		s.Options.Threads = machine.Cores
	}
	for _, p := range entry.Source.Files {
		if len(p.SHA256) > 0 {
			s.LibrarySHA256 = p.SHA256[0]
			break
		}
	}
	return s
}

var machine = evidence.Machine{OS: "linux", Arch: "amd64", CPU: "self-test", Cores: 4, Memory: 8 << 30}
