package validate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/embedgate/embedgate/providers"
)

// sessionOf holds the options that a session was opened with against those that
// the policy and the catalogue give: release.json tells people to run the model
// in this way.
func sessionOf(c gateCase) Finding {
	var p problems
	got := c.evidence.Session
	entry, ok := providers.Lookup(c.evidence.Provider)
	if !ok {
		p.add("embedgate knows no provider %q", clip(c.evidence.Provider))
	}
	wish := c.policy.Providers[c.evidence.Provider]
	if got.Runtime != string(entry.Runtime) {
		p.add("the runtime is %q, the catalogue's %q", clip(got.Runtime), entry.Runtime)
	}
	want := entry.OptionsWith(c.policy.OptionsOf(c.evidence.Provider, c.evidence.Variant))
	for _, k := range slices.Sorted(maps.Keys(got.Options.Provider)) {
		if v, ok := want[k]; !ok || v != got.Options.Provider[k] {
			p.add("option %s is %q, and neither policy nor catalogue sets it so", clip(k), clip(got.Options.Provider[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got.Options.Provider[k]; !ok {
			p.add("option %s is left out, wanted %q", k, want[k])
		}
	}
	if !slices.Equal(got.Options.DisabledOptimizers, entry.Disabled) {
		p.add("the optimizers %s are disabled, the catalogue's are %q", clip(fmt.Sprintf("%q", got.Options.DisabledOptimizers)), entry.Disabled)
	}
	threads := wish.Threads
	if threads == 0 {
		threads = c.evidence.Machine.Cores // every core
	}
	if got.Options.Threads != threads || threads < 1 {
		p.add("%d threads, wanted %d: the policy says %d, and 0 is every core", got.Options.Threads, threads, wish.Threads)
	}
	if strict := wish.Placement != nil && wish.Placement.Strict; got.Options.Strict != strict {
		p.add("strict is %v, the policy's %v", got.Options.Strict, strict)
	}
	if got.Options.IOBinding != wish.IOBinding {
		p.add("io_binding is %v, the policy's %v", got.Options.IOBinding, wish.IOBinding)
	}
	return p.finding(Finding{
		Check: "integrity", Item: "session", Measured: "the policy's and the catalogue's options", Threshold: "opened with the options of policy and catalogue, and no other",
		Next: "Measure again with this policy and this version of embedgate. An option that is meant belongs in the policy.",
	})
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// libraryOf tells whether the runtime is one that is pinned. Another may be
// meant (--ort-lib): it is reported, for its numbers are proven like any. One
// that is pinned has its version.
func libraryOf(c gateCase) Finding {
	s := c.evidence.Session
	entry, _ := providers.Lookup(c.evidence.Provider)
	want := entry.Source.RuntimeVersion()
	f := Finding{
		Check: "integrity", Item: "library", Result: Pass, Threshold: "a pinned library of version " + want,
		Measured: fmt.Sprintf("%s %s, sha256 %s", clip(s.Runtime), clip(s.RuntimeVersion), short(clip(s.LibrarySHA256))),
	}
	switch {
	case !hexDigest.MatchString(s.LibrarySHA256):
		f.Result, f.Measured = Fail, fmt.Sprintf("no sha256 of the runtime's library, but %q", clip(s.LibrarySHA256))
		f.Next = "Measure again: evidence names the library that it was measured with."
	case !entry.Pinned(s.LibrarySHA256):
		f.Result = Reported
		f.Warnings = []string{fmt.Sprintf("the library is none that embedgate pins for %s (%s %s): it was named on the measuring machine, or is of a platform without a pin", c.evidence.Provider, entry.Source.Package, entry.Source.Version)}
	case s.RuntimeVersion != want:
		f.Result = Fail
		f.Next = "Measure again: the library with this digest has another version, so the evidence was edited."
	}
	return f
}
