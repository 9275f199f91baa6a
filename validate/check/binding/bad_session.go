package binding

import (
	"maps"
	"slices"

	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
)

// badSession is sessions that were opened in another way than the policy says,
// and libraries that are not what they are said to be.
func badSession() []check.BadCase {
	session := func(name, item string, spoil func(s *providers.Info) bool) check.BadCase {
		return check.BadCase{Name: name, Item: item, Spoil: func(c *check.Case) bool {
			s := &c.Evidence.Session
			s.Options.Provider = maps.Clone(s.Options.Provider)
			s.Options.DisabledOptimizers = slices.Clone(s.Options.DisabledOptimizers)
			return spoil(s)
		}}
	}
	return []check.BadCase{
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
