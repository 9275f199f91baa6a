package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
)

// What the real model's scripts need not repeat: the same program, export and
// runtime, on a model that takes seconds. The policy and its golden lie in each
// script's folder.
func TestCommandsOnATinyModel(t *testing.T) {
	if testing.Short() {
		t.Skip("exports and measures a tiny model: run without -short")
	}
	t.Parallel()
	w := newTiny(t)
	src, files := exporttest.TinyModel(t, exporttest.TinyOptions{})
	c := exporttest.TinyCandidate(t)
	python, lib := exporttest.Python(t), exporttest.OrtLib(t)
	policy, err := os.ReadFile(filepath.Join(w.dir, "policy.yaml"))
	require.NoError(t, err)
	scripts(t, "testdata/tiny", func(e *testscript.Env) error {
		e.Setenv(envSource, src)
		e.Setenv(envCandidate, c.Dir)
		e.Setenv("WEIGHTS", files["model.safetensors"])
		e.Setenv("EMBEDGATE_PYTHON", python)
		e.Setenv("CPU_LIB", lib)
		if err := os.WriteFile(filepath.Join(e.WorkDir, "policy.yaml"), policy, 0o666); err != nil {
			return err
		}
		return os.CopyFS(filepath.Join(e.WorkDir, "golden"), os.DirFS(filepath.Join(w.dir, "golden")))
	})
}
