package validate

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/pipeline/policy"
)

func TestASessionThatThePolicyDidNotAskForIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(in *Input, e *Evidence)
		want  string
	}{
		"a library of custom operators": {func(_ *Input, e *Evidence) {
			e.Session.Options.Provider = map[string]string{"custom_op_library": "/tmp/evil.so"}
		}, `option custom_op_library is "/tmp/evil.so", and neither policy nor catalogue sets it so`},
		"other threads": {func(_ *Input, e *Evidence) { e.Session.Options.Threads = 64 }, "64 threads, wanted 4"},
		"every core, and the policy wants one": {func(in *Input, _ *Evidence) {
			p := in.Policy.Providers["cpu"]
			p.Threads = 1
			in.Policy.Providers["cpu"] = p
		}, "4 threads, wanted 1"},
		"no thread on a machine without cores":   {func(_ *Input, e *Evidence) { e.Session.Options.Threads, e.Machine.Cores = 0, 0 }, "0 threads"},
		"an optimizer that the catalogue leaves": {func(_ *Input, e *Evidence) { e.Session.Options.DisabledOptimizers = nil }, "SkipLayerNormFusion"},
		"an option of the policy left out": {func(in *Input, _ *Evidence) {
			p := in.Policy.Providers["cpu"]
			p.Options = map[string]string{"arena": "0"}
			in.Policy.Providers["cpu"] = p
		}, `option arena is left out, wanted "0"`},
		"an option of the variant left out": {func(in *Input, _ *Evidence) {
			in.Policy.Variants["fp32"] = policy.Variant{Precision: "fp32", Options: map[string]string{"use_tf32": "1"}}
		}, `option use_tf32 is left out`},
		"another runtime": {func(_ *Input, e *Evidence) { e.Session.Runtime = "libtorch" }, `the runtime is "libtorch"`},
	} {
		f := item(t, judged(t, c.spoil), "integrity", "session")
		assert.Equal(t, Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.want, name)
	}
}

func TestALibraryIsPinnedReportedOrRefused(t *testing.T) {
	library := func(spoil func(e *Evidence)) Finding {
		return item(t, judged(t, func(_ *Input, e *Evidence) { spoil(e) }), "integrity", "library")
	}
	f := library(func(*Evidence) {})
	assert.Equal(t, Pass, f.Result)
	assert.Equal(t, "onnxruntime 1.32.0, sha256 6c1585d1bbf4", f.Measured)

	row := judged(t, func(_ *Input, e *Evidence) {
		e.Session.LibrarySHA256, e.Session.RuntimeVersion = otherDigest, "1.29.0"
	})
	f = item(t, row, "integrity", "library")
	assert.Equal(t, Reported, f.Result, "a library of the user's own")
	assert.Equal(t, "onnxruntime 1.29.0, sha256 000000000000", f.Measured)
	assert.Contains(t, f.Warnings[0], "none that embedgate pins for cpu (onnxruntime 1.32.0)")
	assert.Equal(t, Pass, row.Result)
	assert.Equal(t, otherDigest, row.Session.Library, "release.json tells which one")

	f = library(func(e *Evidence) { e.Session.RuntimeVersion = "1.29.0" })
	assert.Equal(t, Fail, f.Result, "the pinned library's digest with another's version")
	for _, bad := range []string{"", "6c15", otherDigest + "0"} {
		assert.Equal(t, Fail, library(func(e *Evidence) { e.Session.LibrarySHA256 = bad }).Result, bad)
	}
}
