package publish

import (
	"fmt"
	"maps"
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/source"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/verdict"
)

// Run is one way to run a model file: a variant on a provider.
type Run struct {
	Provider string `json:"provider"`
	Variant  string `json:"variant"`
}

// passedRuns returns the runs that passed of each model file, by the exported
// variant that it belongs to. A variant that passed nowhere is not in it, and its
// file is not published. A run on an emulated processor is no proof: it was not
// timed.
func passedRuns(v verdict.Verdict, p policy.Policy) map[string][]Run {
	all := map[string][]Run{}
	for _, r := range v.Rows {
		if r.Result == verdict.Pass && r.CPU == "" {
			file := p.FileOf(r.Variant)
			all[file] = append(all[file], Run{r.Provider, r.Variant})
		}
	}
	return all
}

// byModelFile returns the runs by the path of the model file in the release.
func byModelFile(m candidate.Manifest, runs map[string][]Run) (map[string][]Run, error) {
	all := map[string][]Run{}
	for _, variant := range slices.Sorted(maps.Keys(runs)) {
		v, ok := m.Variants[variant]
		if !ok {
			return nil, fmt.Errorf("got a verdict in which %s passed, which the candidate has not", variant)
		}
		all[ModelDir+"/"+v.File] = runs[variant]
	}
	return all, nil
}

// checkCandidate refuses a candidate that the policy's export does not make: one
// with files other than the variants' and the pinned ones, with another source,
// or with a forward that another tool wrote.
func checkCandidate(m candidate.Manifest, p policy.Policy) error {
	models := map[string]bool{}
	for _, n := range slices.Sorted(maps.Keys(m.Variants)) {
		v := m.Variants[n]
		models[v.File] = true
		if !slices.Contains([]string{candidate.ForwardWrittenOut, candidate.ForwardPlain}, v.Forward) {
			return fmt.Errorf("variant %s: got the forward %q, wanted embedgate's own export (%s or %s): a release knows where its model comes from",
				n, v.Forward, candidate.ForwardWrittenOut, candidate.ForwardPlain)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(m.Files)) {
		pin, ok := p.Model.Files[f]
		switch {
		case models[f]:
		case !ok:
			return fmt.Errorf("got the file %s, wanted the variants' files and those that model.files in the policy pins, and no other", f)
		case pin != m.Files[f].SHA256:
			return fmt.Errorf("%s: got sha256 %s, wanted %s, which model.files in the policy pins", f, m.Files[f].SHA256, pin)
		}
	}
	if want := source.Recorded(p.Model.Source); m.Source.Spec != want {
		return fmt.Errorf("source: got %q, wanted the policy's %q", m.Source.Spec, want)
	}
	if !maps.Equal(m.Source.Files, p.Model.Files) {
		return fmt.Errorf("source: got other files than model.files in the policy pins, wanted those")
	}
	return nil
}

// sameVerdict tells whether again, the gate's second verdict, is v. A release
// does not hold the files that passed nowhere, so that the gate cannot judge them
// again. Their rows are accepted where they did not pass and are not required.
func sameVerdict(v, again verdict.Verdict, has func(variant string) bool) (bool, error) {
	rows := slices.Clone(again.Rows)
	if len(rows) == len(v.Rows) {
		for i, r := range v.Rows {
			second := rows[i]
			if !has(r.Variant) && r.Result != verdict.Pass && !r.Required && !r.Best &&
				second.Provider == r.Provider && second.Variant == r.Variant && second.CPU == r.CPU && second.Evidence == r.Evidence && !second.Required {
				rows[i] = r
			}
		}
	}
	again.Rows = rows
	a, err := verdict.Encode(again)
	if err != nil {
		return false, err
	}
	b, err := verdict.Encode(v)
	return slices.Equal(a, b), err
}
