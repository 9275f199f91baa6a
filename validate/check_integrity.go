package validate

import (
	"maps"
	"path"
	"slices"
	"time"

	"github.com/embedgate/embedgate/export/candidate"
)

const integrityName = "integrity"

// integrityCheck proves that the evidence is about this candidate, policy and
// golden, that it is complete, and that its numbers can have been measured.
func integrityCheck() check {
	return check{
		name:     integrityName,
		portable: true,
		holds:    func(Evidence) bool { return true },
		judge: func(c gateCase) opinion {
			f := []Finding{bindingOf(c), graphOf(c), sourceOf(c), filesOf(c), embeddingOf(c), variantOf(c)}
			if opened(c.evidence) {
				f = append(f, sessionOf(c), libraryOf(c))
			}
			if crash, ok := crashOf(c); ok {
				return opinion{findings: append(f, crash)}
			}
			return opinion{findings: append(f, planOfCase(c), numbersOf(c))}
		},
		bad: append(badIntegrity(), badSession()...),
	}
}

func bindingOf(c gateCase) Finding {
	var p problems
	e := c.evidence
	for _, b := range []struct{ what, got, want string }{
		{"candidate", e.Candidate, c.candidate.Digest},
		{"policy", e.Policy, c.policy.Digest},
		{"golden", e.Golden, c.golden.Digest},
	} {
		if b.want == "" || b.got != b.want {
			p.add("measured with %s %s, not %s", b.what, short(b.got), short(b.want))
		}
	}
	if c.nonce != "" && e.Nonce != c.nonce {
		p.add("answers plan %s, not %s", short(clip(e.Nonce)), short(clip(c.nonce)))
	}
	switch {
	case e.Raw.Empty() && e.VectorsSHA256 == "":
	case e.VectorsSHA256 == "" || e.Raw.SHA256 != e.VectorsSHA256:
		p.add("vectors are sha256 %s, and evidence.json names %s", short(e.Raw.SHA256), short(e.VectorsSHA256))
	}
	if opened(e) && e.Session.Provider != e.Provider {
		p.add("the session was opened on provider %q, and the evidence says %q", clip(e.Session.Provider), clip(e.Provider))
	}
	if c.cpu == "" && e.Emulation != nil {
		p.add("was emulated by %s, and speaks for the machine's own processor", clip(e.Emulation.Emulator))
	}
	if want := c.candidate.Manifest.Files[c.modelFile()].SHA256; opened(e) && (want == "" || e.Model != want) {
		p.add("the model that was opened is sha256 %s, the candidate's %s", short(clip(e.Model)), short(want))
	}
	if e.NotMeasured != nil && (!e.Raw.Empty() || e.Crash != nil || len(e.Latency)+len(e.Cold)+len(e.Memory)+len(e.Placement)+len(e.Pairs) > 0) {
		p.add("says that nothing was measured, and holds measurements")
	}
	return p.finding(Finding{
		Check: "integrity", Item: "binding",
		Measured: "bound to candidate " + short(c.candidate.Digest), Threshold: "this candidate, policy, golden and plan",
		Next: "Measure this candidate again with this policy and golden; evidence of another one proves nothing about it.",
	})
}

// opened tells whether there was a session, by what else the evidence holds.
func opened(e Evidence) bool {
	return e.NotMeasured == nil && (e.Crash == nil || e.Session.Provider != "")
}

func graphOf(c gateCase) Finding {
	var p problems
	if c.graph.Err != nil {
		p.add("%s", clip(c.graph.Err.Error()))
	}
	return p.finding(Finding{
		Check: "integrity", Item: "graph", Measured: "valid", Threshold: "valid ONNX, no external data, no custom-op domain",
		Next: "Export the model again; a graph that cannot be read whole, that keeps weights in other files or that needs custom operators cannot be released.",
	})
}

// sourceOf holds the candidate's source files against the golden's and the
// policy's: golden vectors of other weights prove nothing.
func sourceOf(c gateCase) Finding {
	f := Finding{
		Check: "integrity", Item: "source", Measured: "the golden's source files", Threshold: "the golden's weights, as the policy pins them",
		Next: "Export from the files that the policy pins, or, if the new files are meant, make the golden again from them with `embedgate golden`.",
	}
	if c.foreign {
		f.Result, f.Measured, f.Threshold, f.Next = Reported, "not known: somebody else's export", "none", ""
		return f
	}
	var p problems
	have := c.candidate.Manifest.Source.Files
	weights := 0
	for _, name := range slices.Sorted(maps.Keys(c.golden.Source)) {
		want := c.golden.Source[name]
		got, ok := have[name]
		weightsFile := isWeights(name)
		switch {
		case !ok && weightsFile:
			p.add("%s is no source of this candidate, and the golden was made from it", clip(name))
		case ok && got != want:
			p.add("%s is sha256 %s, and the golden was made from %s", clip(name), short(got), short(want))
		case ok && weightsFile:
			weights++
		}
	}
	if weights == 0 && len(p) == 0 {
		p.add("candidate and golden name no weights file in common")
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if pin := c.policy.Model.Files[name]; pin != have[name] {
			p.add("%s is sha256 %s, and the policy pins %s", clip(name), short(have[name]), short(pin))
		}
	}
	return p.finding(f)
}

// filesOf proves that beside the model files the candidate carries what the
// policy pins, and no other: a tokenizer with two ids exchanged, or a script,
// would be published with the model.
func filesOf(c gateCase) Finding {
	var p problems
	files, pins := c.candidate.Manifest.Files, c.policy.Model.Files
	models := map[string]bool{}
	for _, v := range c.candidate.Manifest.Variants {
		models[v.File] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch pin, ok := pins[name]; {
		case models[name]:
		case !ok:
			p.add("%s is no variant's file, and the policy pins no such file", clip(name))
		case pin != files[name].SHA256:
			p.add("%s is sha256 %s, and the policy pins %s", clip(name), short(files[name].SHA256), short(pin))
		}
	}
	return p.finding(Finding{
		Check: "integrity", Item: "files", Measured: plural(len(files), "file", "files"), Threshold: "model files, and files that the policy pins",
		Next: "Export again from the files that the policy pins; a file that is meant to be published belongs in model.files with its sha256.",
	})
}

// modelFile is the file that a variant of the policy runs, as the candidate
// names it; empty where it has none.
func (c gateCase) modelFile() string {
	return c.candidate.Manifest.Variants[c.policy.FileOf(c.evidence.Variant)].File
}

// isWeights tells whether a source file holds weights; only safetensors may.
func isWeights(name string) bool { return path.Ext(name) == ".safetensors" }

func embeddingOf(c gateCase) Finding {
	var p problems
	m, g := c.candidate.Manifest.Embedding, c.golden
	if m.Pooling != candidate.Pooling(g.Pooling) {
		p.add("pooling is %q, the golden's %q", m.Pooling, g.Pooling)
	}
	if m.Normalize != g.Normalize {
		p.add("normalisation is %v, the golden's %v", m.Normalize, g.Normalize)
	}
	if m.MaxTokens != g.MaxTokens {
		p.add("max tokens is %d, the golden's %d", m.MaxTokens, g.MaxTokens)
	}
	if m.Dimension != g.Dim {
		p.add("dimension is %d, the golden's %d", m.Dimension, g.Dim)
	}
	if c.candidate.Manifest.Model != g.Model || c.policy.Model.Name != g.Model {
		p.add("the model is %q, the policy's %q, the golden's %q", clip(c.candidate.Manifest.Model), clip(c.policy.Model.Name), clip(g.Model))
	}
	return p.finding(Finding{
		Check: "integrity", Item: "embedding", Measured: "the golden's configuration", Threshold: "model, pooling, normalisation, max tokens and dimension as in the golden",
		Next: "Look at modules.json, 1_Pooling/config.json and sentence_bert_config.json of the source; if the new configuration is meant, make the golden again.",
	})
}

func variantOf(c gateCase) Finding {
	var p problems
	v := c.evidence.Variant
	file := c.policy.FileOf(v)
	want, inPolicy := c.policy.Variants[file]
	got, inCandidate := c.candidate.Manifest.Variants[file]
	provider, known := c.policy.Providers[c.evidence.Provider]
	switch {
	case !known:
		p.add("the policy has no provider %q", clip(c.evidence.Provider))
	case !slices.Contains(provider.Variants, v):
		p.add("the policy does not accept variant %q on %s", clip(v), c.evidence.Provider)
	}
	switch {
	case !inPolicy:
		p.add("the policy has no variant %q", clip(file))
	case !inCandidate:
		p.add("the candidate has no variant %q", clip(file))
	case got.Precision != want.Precision:
		p.add("variant %s is %q in the candidate and %q in the policy", file, got.Precision, want.Precision)
	}
	return p.finding(Finding{
		Check: "integrity", Item: "variant", Measured: string(c.class), Threshold: "a variant of the candidate, of the policy's precision",
		Next: "Add the variant to policy.yaml with its precision, and to the provider's variants, or measure one that is there.",
	})
}

func crashOf(c gateCase) (Finding, bool) {
	crash := c.evidence.Crash
	if crash == nil {
		return Finding{}, false
	}
	f := Finding{
		Check: "integrity", Item: "child process", Result: Fail, Threshold: "ends by itself", Value: float64(crash.Exit),
		Measured: "exited with code " + number(float64(crash.Exit)),
		Next:     "The runtime ended the measuring process. Look at the library and driver versions with `embedgate doctor`, then measure again.",
	}
	if crash.Signal != "" {
		f.Measured = "killed by " + clip(crash.Signal)
	}
	if crash.Stage != "" {
		f.Measured += " during " + clip(crash.Stage)
	}
	if crash.Stderr != "" {
		f.Warnings = []string{"its last words: " + clip(crash.Stderr)}
	}
	return f, true
}

// clockSlack is how far two clocks of one machine may disagree.
const clockSlack = 20 * time.Millisecond

// Below these no number was measured: the shortest text takes longer, and a
// process that has loaded a runtime is larger, on any machine.
const (
	shortest = 1000 * time.Nanosecond
	smallest = 1 << 20 // bytes
)

// numbersOf refuses numbers that no machine can have measured.
func numbersOf(c gateCase) Finding {
	var p problems
	e := c.evidence
	for _, r := range e.Latency {
		if i := slices.IndexFunc(r.SamplesNS, tooShort); i >= 0 {
			p.add("%s, launch %d: sample %d lasts %d ns", r.Label(), r.Launch, i, r.SamplesNS[i])
		}
		if i := slices.IndexFunc(r.CalibrationNS, notPositive); i >= 0 {
			p.add("%s, launch %d: calibration %d lasts %d ns", r.Label(), r.Launch, i, r.CalibrationNS[i])
		}
		if r.StealTicks < -1 || r.StealTicks >= 0 && r.StealTicks > r.TotalTicks {
			p.add("%s, launch %d: %d of %d ticks stolen", r.Label(), r.Launch, r.StealTicks, r.TotalTicks)
		}
	}
	for _, s := range e.Cold {
		switch {
		case tooShort(s.LoadNS) || tooShort(s.FirstNS) || tooShort(s.FromStartNS):
			p.add("cold start of launch %d: %d ns to load, %d ns to the first vector, %d ns from the start", s.Launch, s.LoadNS, s.FirstNS, s.FromStartNS)
		case s.LoadNS > s.FromStartNS+int64(clockSlack) || s.FirstNS > s.FromStartNS-s.LoadNS+int64(clockSlack):
			p.add("cold start of launch %d: its parts last longer than the whole", s.Launch)
		}
	}
	for _, m := range e.Memory {
		if m.RSS < smallest {
			p.add("memory of launch %d: %d bytes", m.Launch, m.RSS)
		}
	}
	if m := e.Machine; m.OS == "" || m.Arch == "" || m.CPU == "" || m.Cores < 1 {
		p.add("a machine without a system, a processor or a core: %q, %q, %q, %d cores", clip(m.OS), clip(m.Arch), clip(m.CPU), m.Cores)
	}
	if e.Useful < 0 || e.Computed < e.Useful {
		p.add("%d useful tokens of %d computed", e.Useful, e.Computed)
	}
	return p.finding(Finding{
		Check: "integrity", Item: "numbers", Measured: "possible", Threshold: "durations and sizes that a machine can have, parts within the whole",
		Next: "Measure again; if it comes back, the clock of that machine is broken or the evidence was edited.",
	})
}

func notPositive(n int64) bool { return n <= 0 }

func tooShort(n int64) bool { return n < int64(shortest) }
