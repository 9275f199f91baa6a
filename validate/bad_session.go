package validate

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/providers"
)

// badSession is sessions that were opened in another way than the policy says,
// and libraries that are not what they are said to be.
func badSession() []badCase {
	session := func(name, item string, spoil func(s *providers.Info) bool) badCase {
		return badCase{name: name, item: item, spoil: func(c *gateCase) bool {
			s := &c.evidence.Session
			s.Options.Provider = maps.Clone(s.Options.Provider)
			s.Options.DisabledOptimizers = slices.Clone(s.Options.DisabledOptimizers)
			return spoil(s)
		}}
	}
	return []badCase{
		session("a library of custom operators loaded", "session", func(s *providers.Info) bool {
			if s.Options.Provider == nil {
				s.Options.Provider = map[string]string{}
			}
			s.Options.Provider["custom_op_library"] = "libother.so"
			return true
		}),
		session("an option left out", "session", func(s *providers.Info) bool {
			all := slices.Sorted(maps.Keys(s.Options.Provider))
			if len(all) == 0 {
				return false
			}
			delete(s.Options.Provider, all[0])
			return true
		}),
		session("another optimizer left out", "session", func(s *providers.Info) bool {
			s.Options.DisabledOptimizers = append(s.Options.DisabledOptimizers, "GeluFusion")
			return true
		}),
		session("a thread more than the policy gives", "session", func(s *providers.Info) bool { s.Options.Threads++; return true }),
		session("another session than a strict one", "session", func(s *providers.Info) bool { s.Options.Strict = !s.Options.Strict; return true }),
		session("inputs bound in another way", "session", func(s *providers.Info) bool { s.Options.IOBinding = !s.Options.IOBinding; return true }),
		session("another runtime", "session", func(s *providers.Info) bool { s.Runtime += "-other"; return true }),
		session("no digest of the library", "library", func(s *providers.Info) bool { s.LibrarySHA256 = ""; return true }),
		session("a pinned library of another version", "library", func(s *providers.Info) bool {
			entry, ok := providers.Lookup(s.Provider)
			s.RuntimeVersion += ".1"
			return ok && entry.Pinned(s.LibrarySHA256)
		}),
	}
}

// goodSession is what a machine of four cores opens.
func goodSession(c gateCase, provider, variant string) providers.Info {
	entry, _ := providers.Lookup(provider)
	wish := c.policy.Providers[provider]
	s := providers.Info{
		Provider: provider, Runtime: string(entry.Runtime), RuntimeVersion: entry.Source.RuntimeVersion(), LibrarySHA256: otherDigest,
		Options: providers.Options{
			Threads: wish.Threads, DisabledOptimizers: slices.Clone(entry.Disabled), Provider: entry.OptionsWith(c.policy.OptionsOf(provider, variant)),
			Strict: wish.Placement != nil && wish.Placement.Strict, IOBinding: wish.IOBinding,
		},
	}
	if s.Options.Threads == 0 {
		s.Options.Threads = goodMachine.Cores
	}
	for _, p := range entry.Source.Pieces {
		if len(p.SHA256) > 0 {
			s.LibrarySHA256 = p.SHA256[0]
			break
		}
	}
	return s
}

var goodMachine = Machine{OS: "linux", Arch: "amd64", CPU: "self-test", Cores: 4, Memory: 8 << 30}
