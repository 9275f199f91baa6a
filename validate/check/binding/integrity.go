package binding

import (
	"slices"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/text"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/verdict"
)

const IntegrityName = "integrity"

// Integrity proves that the evidence is about this candidate, policy and
// golden, that it is complete, and that its numbers can have been measured.
func Integrity() check.Check {
	return check.Check{
		Name:     IntegrityName,
		Portable: true,
		HasData:  func(evidence.Evidence) bool { return true },
		Judge: func(c check.Case) check.Result {
			f := []verdict.Finding{BindingOf(c), graphOf(c), sourceOf(c), filesOf(c), embeddingOf(c), variantOf(c)}
			if opened(c.Evidence) {
				f = append(f, sessionOf(c), libraryOf(c))
			}
			if crash, ok := crashOf(c); ok {
				return check.Result{Findings: append(f, crash)}
			}
			return check.Result{Findings: append(f, planOfCase(c), numbersOf(c))}
		},
		KnownBad: append(badIntegrity(), badSession()...),
	}
}

func BindingOf(c check.Case) verdict.Finding {
	var p check.Problems
	e := c.Evidence
	for _, b := range []struct{ what, got, want string }{
		{"candidate", e.Candidate, c.Candidate.Digest},
		{"policy", e.Policy, c.Policy.Digest},
		{"golden", e.Golden, c.Golden.Digest},
	} {
		if b.want == "" || b.got != b.want {
			p.Add("measured with %s %s, not %s", b.what, check.ShortDigest(b.got), check.ShortDigest(b.want))
		}
	}
	if c.Nonce != "" && e.Nonce != c.Nonce {
		p.Add("answers plan %s, not %s", check.ShortDigest(text.Clip(e.Nonce)), check.ShortDigest(text.Clip(c.Nonce)))
	}
	switch {
	case e.Raw.Empty() && e.VectorsSHA256 == "":
	case e.VectorsSHA256 == "" || e.Raw.SHA256 != e.VectorsSHA256:
		p.Add("vectors are sha256 %s, and evidence.json names %s", check.ShortDigest(e.Raw.SHA256), check.ShortDigest(e.VectorsSHA256))
	}
	if opened(e) && e.Session.Provider != e.Provider {
		p.Add("the session was opened on provider %q, and the evidence says %q", text.Clip(e.Session.Provider), text.Clip(e.Provider))
	}
	if c.CPU == "" && e.Emulation != nil {
		p.Add("was emulated by %s, and is evidence for the machine's own processor", text.Clip(e.Emulation.Emulator))
	}
	if want := c.Candidate.Manifest.Files[modelFile(c)].SHA256; opened(e) && (want == "" || e.Model != want) {
		p.Add("the model that was opened is sha256 %s, the candidate's %s", check.ShortDigest(text.Clip(e.Model)), check.ShortDigest(want))
	}
	if e.NotMeasured != nil && (!e.Raw.Empty() || e.Crash != nil || len(e.Latency)+len(e.Cold)+len(e.Memory)+len(e.Placement)+len(e.Pairs) > 0) {
		p.Add("says that nothing was measured, and holds measurements")
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "binding",
		Measured: "bound to candidate " + check.ShortDigest(c.Candidate.Digest), Threshold: "this candidate, policy, golden and plan",
		Next: "Measure this candidate again with this policy and golden; evidence of another one proves nothing about it.",
	})
}

// opened reports whether there was a session, from what else the evidence
// holds.
func opened(e evidence.Evidence) bool {
	return e.NotMeasured == nil && (e.Crash == nil || e.Session.Provider != "")
}

func graphOf(c check.Case) verdict.Finding {
	var p check.Problems
	if c.Graph.Err != nil {
		p.Add("%s", text.Clip(c.Graph.Err.Error()))
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "graph", Measured: "valid", Threshold: "valid ONNX, no external data, no custom-op domain",
		Next: "Export the model again; a graph that cannot be read whole, that keeps weights in other files or that needs custom operators cannot be released.",
	})
}

// modelFile returns the file that a variant of the policy runs, as the
// candidate names it. It is empty where the candidate has none.
func modelFile(c check.Case) string {
	return c.Candidate.Manifest.Variants[c.Policy.FileOf(c.Evidence.Variant)].File
}

func embeddingOf(c check.Case) verdict.Finding {
	var p check.Problems
	m, g := c.Candidate.Manifest.Embedding, c.Golden
	if m.Pooling != candidate.Pooling(g.Pooling) {
		p.Add("pooling is %q, the golden's %q", m.Pooling, g.Pooling)
	}
	if m.Normalize != g.Normalize {
		p.Add("normalisation is %v, the golden's %v", m.Normalize, g.Normalize)
	}
	if m.MaxTokens != g.MaxTokens {
		p.Add("max tokens is %d, the golden's %d", m.MaxTokens, g.MaxTokens)
	}
	if m.Dimension != g.Dim {
		p.Add("dimension is %d, the golden's %d", m.Dimension, g.Dim)
	}
	if c.Candidate.Manifest.Model != g.Model || c.Policy.Model.Name != g.Model {
		p.Add("the model is %q, the policy's %q, the golden's %q", text.Clip(c.Candidate.Manifest.Model), text.Clip(c.Policy.Model.Name), text.Clip(g.Model))
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "embedding", Measured: "the golden's configuration", Threshold: "model, pooling, normalisation, max tokens and dimension as in the golden",
		Next: "Look at modules.json, 1_Pooling/config.json and sentence_bert_config.json of the source; if the new configuration is meant, make the golden again.",
	})
}

func variantOf(c check.Case) verdict.Finding {
	var p check.Problems
	v := c.Evidence.Variant
	file := c.Policy.FileOf(v)
	want, inPolicy := c.Policy.Variants[file]
	got, inCandidate := c.Candidate.Manifest.Variants[file]
	provider, known := c.Policy.Providers[c.Evidence.Provider]
	switch {
	case !known:
		p.Add("the policy has no provider %q", text.Clip(c.Evidence.Provider))
	case !slices.Contains(provider.Variants, v):
		p.Add("the policy does not accept variant %q on %s", text.Clip(v), c.Evidence.Provider)
	}
	switch {
	case !inPolicy:
		p.Add("the policy has no variant %q", text.Clip(file))
	case !inCandidate:
		p.Add("the candidate has no variant %q", text.Clip(file))
	case got.Precision != want.Precision:
		p.Add("variant %s is %q in the candidate and %q in the policy", file, got.Precision, want.Precision)
	}
	return p.Finding(verdict.Finding{
		Check: "integrity", Item: "variant", Measured: string(c.Class), Threshold: "a variant of the candidate, of the policy's precision",
		Next: "Add the variant to policy.yaml with its precision, and to the provider's variants, or measure one that is there.",
	})
}

func crashOf(c check.Case) (verdict.Finding, bool) {
	crash := c.Evidence.Crash
	if crash == nil {
		return verdict.Finding{}, false
	}
	f := verdict.Finding{
		Check: "integrity", Item: "child process", Result: verdict.Fail, Threshold: "ends by itself", Value: float64(crash.Exit),
		Measured: "exited with code " + check.Number(float64(crash.Exit)),
		Next:     "The runtime ended the measuring process. Look at the library and driver versions with `embedgate doctor`, then measure again.",
	}
	if crash.Signal != "" {
		f.Measured = "killed by " + text.Clip(crash.Signal)
	}
	if crash.Stage != "" {
		f.Measured += " during " + text.Clip(crash.Stage)
	}
	if crash.Stderr != "" {
		f.Warnings = []string{"the end of its stderr: " + text.Clip(crash.Stderr)}
	}
	return f, true
}
