package evidence

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMessagesInEvidenceContainNoFolders(t *testing.T) {
	t.Setenv("HOME", "/home/ada l")
	for said, want := range map[string]string{
		"/home/ada l/.cache/libonnxruntime.so: no such file":      "~/.cache/libonnxruntime.so: no such file",
		"open /var/lib/x/libcuda.so.1: permission denied":         "open …/libcuda.so.1: permission denied",
		`got "/opt/models/fp32.onnx", wanted (/srv/a/b.onnx)`:     `got "…/fp32.onnx", wanted (…/b.onnx)`,
		"\t/usr/local/go/src/runtime/proc.go:283 +0x1":            "\t…/proc.go:283 +0x1",
		`D:\Users\ada\model.onnx is no model`:                     `…/model.onnx is no model`,
		"LD_LIBRARY_PATH=/a/b/:/c/d/lib":                          "LD_LIBRARY_PATH=…/:…/lib",
		"see https://example.org/docs/install for 1/2 and and/or": "see https://example.org/docs/install for 1/2 and and/or",
		"linux/amd64": "linux/amd64",
	} {
		assert.Equal(t, want, withoutPaths(said))
	}
	ev := Evidence{
		NotMeasured: &NotMeasured{Reason: "no /opt/a/b", Remedy: "make /opt/a/b"},
		Crash:       &Crash{Stderr: "/opt/x/y.so: boom", Exit: 3},
	}
	before := ev.Crash
	RemovePaths(&ev)
	assert.Equal(t, NotMeasured{Reason: "no …/b", Remedy: "make …/b"}, *ev.NotMeasured)
	assert.Equal(t, Crash{Stderr: "…/y.so: boom", Exit: 3}, *ev.Crash)
	assert.Equal(t, "/opt/x/y.so: boom", before.Stderr, "the caller's is left alone")
}
