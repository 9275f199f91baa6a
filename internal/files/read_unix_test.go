//go:build unix

package files_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/files"
)

// To open a named pipe waits until somebody writes to it.
func TestANamedPipeIsRefusedAndNotOpened(t *testing.T) {
	p := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(p, 0o600))
	const want = "got a special file, wanted a regular file"
	_, err := files.ReadCapped(p, 5)
	require.ErrorContains(t, err, want)
	_, err = files.ReadCappedLinked(p, 5)
	require.ErrorContains(t, err, want)
	_, err = files.HashFile(p)
	require.ErrorContains(t, err, want)
	_, err = files.CopyFile(t.Context(), p, p+"2", 5, 0o644)
	require.ErrorContains(t, err, want)
}
