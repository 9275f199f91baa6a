package binding

import (
	"maps"
	"path"
	"slices"

	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/verdict"
)

// sourceOf compares the candidate's source files with those of the golden and
// of the policy: golden vectors of other weights prove nothing.
func sourceOf(c check.Case) verdict.Finding {
	f := verdict.Finding{
		Check: "integrity", Item: "source", Measured: "the golden's source files", Threshold: "the golden's weights, as the policy pins them",
		Next: "Export from the files that the policy pins, or, if the new files are meant, make the golden again from them with `embedgate golden`.",
	}
	if c.Foreign {
		f.Result, f.Measured, f.Threshold, f.Next = verdict.Reported, "not known: somebody else's export", "none", ""
		return f
	}
	var p check.Problems
	have := c.Candidate.Manifest.Source.Files
	weights := 0
	for _, name := range slices.Sorted(maps.Keys(c.Golden.Source)) {
		want := c.Golden.Source[name]
		got, ok := have[name]
		weightsFile := IsWeights(name)
		switch {
		case !ok && weightsFile:
			p.Add("%s is no source of this candidate, and the golden was made from it", text.Clip(name))
		case ok && got != want:
			p.Add("%s is sha256 %s, and the golden was made from %s", text.Clip(name), check.ShortDigest(got), check.ShortDigest(want))
		case ok && weightsFile:
			weights++
		}
	}
	if weights == 0 && len(p) == 0 {
		p.Add("candidate and golden name no weights file in common")
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if pin := c.Policy.Model.Files[name]; pin != have[name] {
			p.Add("%s is sha256 %s, and the policy pins %s", text.Clip(name), check.ShortDigest(have[name]), check.ShortDigest(pin))
		}
	}
	return p.Finding(f)
}

// filesOf proves that besides the model files the candidate has only files that
// the policy pins. Any other, such as a changed tokenizer or a script, would be
// published with the model.
func filesOf(c check.Case) verdict.Finding {
	var p check.Problems
	files, pins := c.Candidate.Manifest.Files, c.Policy.Model.Files
	models := map[string]bool{}
	for _, v := range c.Candidate.Manifest.Variants {
		models[v.File] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch pin, ok := pins[name]; {
		case models[name]:
		case !ok:
			p.Add("%s is no variant's file, and the policy pins no such file", text.Clip(name))
		case pin != files[name].SHA256:
			p.Add("%s is sha256 %s, and the policy pins %s", text.Clip(name), check.ShortDigest(files[name].SHA256), check.ShortDigest(pin))
		}
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "files", Measured: text.Plural(len(files), "file", "files"), Threshold: "model files, and files that the policy pins",
		Next: "Export again from the files that the policy pins; a file that is meant to be published belongs in model.files with its sha256.",
	})
}

// IsWeights reports whether a source file holds weights: only safetensors files
// may.
func IsWeights(name string) bool { return path.Ext(name) == ".safetensors" }
