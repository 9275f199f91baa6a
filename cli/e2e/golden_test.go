package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/export/exporttest"
	python "github.com/embedgate/embedgate/scripts"
)

// goldenOf leaves in w the golden of tinyTexts that the program computes for
// w's policy of that name. It takes a start of PyTorch, so it is computed once
// for each model, texts and scripts, and kept in the cache.
func (w tiny) goldenOf(t *testing.T, policyName, model string) {
	t.Helper()
	sum := sha256.New()
	_, _ = io.WriteString(sum, model+"\x00"+tinyTexts)
	require.NoError(t, fs.WalkDir(python.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(python.FS, path)
		_, _ = io.WriteString(sum, path+"\x00")
		_, _ = sum.Write(b)
		return err
	}))
	root, err := cache.Dir()
	require.NoError(t, err)
	kept := filepath.Join(root, "tests", "golden-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	require.NoError(t, os.MkdirAll(filepath.Dir(kept), 0o777))
	unlock, err := cache.Lock(context.Background(), kept, nil)
	require.NoError(t, err)
	defer unlock()
	if !cache.Exists(kept) {
		c := w.command("golden", "--policy", policyName, "--texts", "texts.jsonl", "--out", "golden")
		c.Env = append(append([]string{}, w.env...), "EMBEDGATE_PYTHON="+exporttest.ReferencePython(t))
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.RemoveAll(kept+".tmp"))
		require.NoError(t, os.CopyFS(kept+".tmp", os.DirFS(filepath.Join(w.dir, "golden"))))
		require.NoError(t, os.Rename(kept+".tmp", kept))
		return
	}
	require.NoError(t, os.CopyFS(filepath.Join(w.dir, "golden"), os.DirFS(kept)))
}
