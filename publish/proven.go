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

// proven is where each model file passed, by the exported variant whose file it
// is. A variant that passed nowhere is not in it, and its file is not shipped.
// What ran on an emulated processor proves no file: nothing of it was timed.
func proven(v verdict.Verdict, p policy.Policy) map[string][]Run {
	all := map[string][]Run{}
	for _, r := range v.Rows {
		if r.Result == verdict.Pass && r.CPU == "" {
			file := p.FileOf(r.Variant)
			all[file] = append(all[file], Run{r.Provider, r.Variant})
		}
	}
	return all
}

// inRelease is proven by the model files' names in the release.
func inRelease(m candidate.Manifest, runs map[string][]Run) (map[string][]Run, error) {
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

// belongs refuses a candidate that is not what the policy's export makes: files
// of its own beside the variants' and the pinned ones, another source, or a
// forward of somebody else.
func belongs(m candidate.Manifest, p policy.Policy) error {
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

// sameVerdict tells whether the gate, asked again, gives the verdict v. A
// release has not the files that passed nowhere: what the gate says of them
// cannot be asked again, and must be that they did not pass and are not needed.
func sameVerdict(v, again verdict.Verdict, has func(variant string) bool) (bool, error) {
	rows := slices.Clone(again.Rows)
	if len(rows) == len(v.Rows) {
		for i, r := range v.Rows {
			told := rows[i]
			if !has(r.Variant) && r.Result != verdict.Pass && !r.Required && !r.Best &&
				told.Provider == r.Provider && told.Variant == r.Variant && told.CPU == r.CPU && told.Evidence == r.Evidence && !told.Required {
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
