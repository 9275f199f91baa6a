package embed

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/publish"
	"github.com/embedgate/embedgate/validate/verdict"
)

// choose returns the provider × variant of a selection to open. here reports
// whether this machine has a provider.
func choose(all []publish.Selected, s settings, here func(providers.Entry) bool) (publish.Selected, error) {
	passed := slices.DeleteFunc(slices.Clone(all), func(x publish.Selected) bool {
		return x.Result != verdict.Pass || x.CPU != "" // an emulated processor is not this machine
	})
	mine := slices.DeleteFunc(slices.Clone(passed), func(x publish.Selected) bool {
		return s.provider != "" && x.Provider != s.provider || s.variant != "" && x.Variant != s.variant
	})
	if len(mine) == 0 {
		return publish.Selected{}, &fault.Error{
			Kind: fault.Usage, Thing: "release", Got: fmt.Sprintf("no proof of %s × %s", cmp.Or(s.provider, "any provider"), cmp.Or(s.variant, "any variant")),
			Wanted: fmt.Sprintf("one of %q", names(passed)), Next: "choose another provider or variant, or publish a release that proves this one",
		}
	}
	if s.provider == "" {
		name, ok := best(mine, here)
		if !ok {
			return publish.Selected{}, &fault.Error{
				Kind: fault.Missing, Thing: "release", Got: "a machine without any of its providers", Wanted: fmt.Sprintf("one of %q", names(mine)),
				Next: "see embedgate doctor, or name the provider",
			}
		}
		mine = slices.DeleteFunc(mine, func(x publish.Selected) bool { return x.Provider != name })
	}
	if i := slices.IndexFunc(mine, func(x publish.Selected) bool { return x.Best }); i >= 0 {
		return mine[i], nil
	}
	return mine[0], nil
}

// best is the provider that this machine has: one that needs a device before
// one that every machine has, and else in the catalogue's order.
func best(all []publish.Selected, here func(providers.Entry) bool) (name string, ok bool) {
	for _, everywhere := range []bool{false, true} {
		for _, e := range providers.Catalogue {
			listed := slices.ContainsFunc(all, func(x publish.Selected) bool { return x.Provider == e.Name })
			if listed && (len(e.Platforms) == 0) == everywhere && here(e) {
				return e.Name, true
			}
		}
	}
	return "", false
}

func names(all []publish.Selected) (s []string) {
	for _, x := range all {
		s = append(s, x.Provider+" × "+x.Variant)
	}
	return s
}
