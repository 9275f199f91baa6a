package binding

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/verdict"
)

// sessionOf compares the options of the session with those of the policy and
// the catalogue: release.json tells users to run the model with these.
func sessionOf(c check.Case) verdict.Finding {
	var p check.Problems
	got := c.Evidence.Session
	entry, ok := providers.Lookup(c.Evidence.Provider)
	if !ok {
		p.Add("embedgate knows no provider %q", text.Clip(c.Evidence.Provider))
	}
	wish := c.Policy.Providers[c.Evidence.Provider]
	if got.Runtime != string(entry.Runtime) {
		p.Add("the runtime is %q, the catalogue's %q", text.Clip(got.Runtime), entry.Runtime)
	}
	want := entry.OptionsWith(c.Policy.OptionsOf(c.Evidence.Provider, c.Evidence.Variant))
	for _, k := range slices.Sorted(maps.Keys(got.Options.Provider)) {
		if v, ok := want[k]; !ok || v != got.Options.Provider[k] {
			p.Add("option %s is %q, and neither policy nor catalogue sets it so", text.Clip(k), text.Clip(got.Options.Provider[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got.Options.Provider[k]; !ok {
			p.Add("option %s is left out, wanted %q", k, want[k])
		}
	}
	if !slices.Equal(got.Options.DisabledOptimizers, entry.Disabled) {
		p.Add("the optimizers %s are disabled, the catalogue's are %q", text.Clip(fmt.Sprintf("%q", got.Options.DisabledOptimizers)), entry.Disabled)
	}
	threads := wish.Threads
	if threads == 0 {
		threads = c.Evidence.Machine.Cores // every core
	}
	if got.Options.Threads != threads || threads < 1 {
		p.Add("%d threads, wanted %d: the policy says %d, and 0 is every core", got.Options.Threads, threads, wish.Threads)
	}
	if strict := wish.Placement != nil && wish.Placement.Strict; got.Options.Strict != strict {
		p.Add("strict is %v, the policy's %v", got.Options.Strict, strict)
	}
	if got.Options.IOBinding != wish.IOBinding {
		p.Add("io_binding is %v, the policy's %v", got.Options.IOBinding, wish.IOBinding)
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "session", Measured: "the policy's and the catalogue's options", Threshold: "opened with the options of policy and catalogue, and no other",
		Next: "Measure again with this policy and this version of embedgate. An option that is meant belongs in the policy.",
	})
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// libraryOf judges whether the runtime's library is a pinned one. A library
// that the user named (--ort-lib) is reported and not refused: its numbers are
// proven as those of any other. A pinned one must have its pinned version.
func libraryOf(c check.Case) verdict.Finding {
	s := c.Evidence.Session
	entry, _ := providers.Lookup(c.Evidence.Provider)
	want := entry.Source.RuntimeVersion()
	f := verdict.Finding{
		Check: "integrity", Item: "library", Result: verdict.Pass, Threshold: "a pinned library of version " + want,
		Measured: fmt.Sprintf("%s %s, sha256 %s", text.Clip(s.Runtime), text.Clip(s.RuntimeVersion), check.ShortDigest(text.Clip(s.LibrarySHA256))),
	}
	switch {
	case !hexDigest.MatchString(s.LibrarySHA256):
		f.Result, f.Measured = verdict.Fail, fmt.Sprintf("no sha256 of the runtime's library, but %q", text.Clip(s.LibrarySHA256))
		f.Next = "Measure again: evidence names the library that it was measured with."
	case !entry.Pinned(s.LibrarySHA256):
		f.Result = verdict.Reported
		f.Warnings = []string{fmt.Sprintf("the library is none that embedgate pins for %s (%s %s): a user named it on the measuring machine, or its platform has no pinned library", c.Evidence.Provider, entry.Source.Package, entry.Source.Version)}
	case s.RuntimeVersion != want:
		f.Result = verdict.Fail
		f.Next = "Measure again: the library with this digest has another version, so the evidence was edited."
	}
	return f
}

// badSession returns sessions that were not opened as the policy says, and
// libraries that are not the ones that the evidence names.
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
