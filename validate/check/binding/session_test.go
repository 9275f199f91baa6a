package binding_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/check/good"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate/gatetest"
	"github.com/embedgate/embedgate/validate/validatetest"
	"github.com/embedgate/embedgate/validate/verdict"
)

func TestASessionThatThePolicyDidNotAskForIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(in *check.Input, e *evidence.Evidence)
		want  string
	}{
		"a library of custom operators": {func(_ *check.Input, e *evidence.Evidence) {
			e.Session.Options.Provider = map[string]string{"custom_op_library": "/tmp/evil.so"}
		}, `option custom_op_library is "/tmp/evil.so", and neither policy nor catalogue sets it so`},
		"other threads": {func(_ *check.Input, e *evidence.Evidence) { e.Session.Options.Threads = 64 }, "64 threads, wanted 4"},
		"every core, and the policy wants one": {func(in *check.Input, _ *evidence.Evidence) {
			p := in.Policy.Providers["cpu"]
			p.Threads = 1
			in.Policy.Providers["cpu"] = p
		}, "4 threads, wanted 1"},
		"no thread on a machine without cores":   {func(_ *check.Input, e *evidence.Evidence) { e.Session.Options.Threads, e.Machine.Cores = 0, 0 }, "0 threads"},
		"an optimizer that the catalogue leaves": {func(_ *check.Input, e *evidence.Evidence) { e.Session.Options.DisabledOptimizers = nil }, "SkipLayerNormFusion"},
		"an option of the policy left out": {func(in *check.Input, _ *evidence.Evidence) {
			p := in.Policy.Providers["cpu"]
			p.Options = map[string]string{"arena": "0"}
			in.Policy.Providers["cpu"] = p
		}, `option arena is left out, wanted "0"`},
		"an option of the variant left out": {func(in *check.Input, _ *evidence.Evidence) {
			in.Policy.Variants["fp32"] = policy.Variant{Precision: "fp32", Options: map[string]string{"use_tf32": "1"}}
		}, `option use_tf32 is left out`},
		"another runtime": {func(_ *check.Input, e *evidence.Evidence) { e.Session.Runtime = "libtorch" }, `the runtime is "libtorch"`},
	} {
		f := validatetest.Item(t, gatetest.Judged(t, c.spoil), "integrity", "session")
		assert.Equal(t, verdict.Fail, f.Result, name)
		assert.Contains(t, f.Measured, c.want, name)
	}
}

func TestALibraryIsPinnedReportedOrRefused(t *testing.T) {
	library := func(spoil func(e *evidence.Evidence)) verdict.Finding {
		return validatetest.Item(t, gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) { spoil(e) }), "integrity", "library")
	}
	f := library(func(*evidence.Evidence) {})
	assert.Equal(t, verdict.Pass, f.Result)
	assert.Equal(t, "onnxruntime 1.32.0, sha256 6c1585d1bbf4", f.Measured)

	row := gatetest.Judged(t, func(_ *check.Input, e *evidence.Evidence) {
		e.Session.LibrarySHA256, e.Session.RuntimeVersion = good.OtherDigest, "1.29.0"
	})
	f = validatetest.Item(t, row, "integrity", "library")
	assert.Equal(t, verdict.Reported, f.Result, "a library of the user's own")
	assert.Equal(t, "onnxruntime 1.29.0, sha256 000000000000", f.Measured)
	assert.Contains(t, f.Warnings[0], "none that embedgate pins for cpu (onnxruntime 1.32.0)")
	assert.Equal(t, verdict.Pass, row.Result)
	assert.Equal(t, good.OtherDigest, row.Session.Library, "release.json tells which one")

	f = library(func(e *evidence.Evidence) { e.Session.RuntimeVersion = "1.29.0" })
	assert.Equal(t, verdict.Fail, f.Result, "the pinned library's digest with another's version")
	for _, bad := range []string{"", "6c15", good.OtherDigest + "0"} {
		assert.Equal(t, verdict.Fail, library(func(e *evidence.Evidence) { e.Session.LibrarySHA256 = bad }).Result, bad)
	}
}
