package e2e_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFullDiskLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole program: run without -short")
	}
	t.Parallel()
	w := newTiny(t)
	target := filepath.Join(w.dir, "small")
	require.NoError(t, os.Mkdir(target, 0o755))
	require.NoError(t, syscall.Mount("tmpfs", target, "tmpfs", 0, "size=256k"), "a small file system needs root; .ci/run has it")
	mounted := true
	defer func() {
		if mounted {
			_ = syscall.Unmount(target, syscall.MNT_DETACH)
		}
	}()
	c := w.command("run", "--to", "small", "--providers", "cpu")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, 4, c.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "no space left")
	left, err := filepath.Glob(filepath.Join(target, "[^.]*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, syscall.Unmount(target, syscall.MNT_DETACH))
	mounted = false
	w.succeeds(t, "small")
}
