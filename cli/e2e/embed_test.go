package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/embedgate/embedgate/embed"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
)

func TestAGoProgramEmbedsWithTheReleaseAsItWasProven(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole program: run without -short")
	}
	w := newTiny(t)
	w.succeeds(t, "dist")
	dir := filepath.Join(w.dir, "dist", "tiny-bert-1.0.0")
	library := embed.WithLibrary(exporttest.OrtLib(t))
	g, err := golden.Read(filepath.Join(w.dir, "golden"))
	require.NoError(t, err)
	var texts []string
	for _, text := range g.Texts {
		texts = append(texts, string(text.Bytes))
	}

	m, err := embed.Open(t.Context(), dir, library)
	require.NoError(t, err)
	defer func() { assert.NoError(t, m.Close()) }()
	assert.Equal(t, "cpu × fp32", m.Provider()+" × "+m.Variant())
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			got, err := m.Embed(t.Context(), texts)
			if err != nil {
				return err
			}
			for i, v := range got {
				for j, want := range g.Embedding(i) {
					assert.InDelta(t, want, float64(v[j]), 5e-6, "text %d", i)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())

	t.Run("the command gives the same vector", func(t *testing.T) {
		out, err := w.command("embed", "--release", dir, texts[0]).Output()
		require.NoError(t, err)
		var line struct{ Vector []float32 }
		require.NoError(t, json.Unmarshal(out, &line))
		got, err := m.Embed(t.Context(), texts[:1])
		require.NoError(t, err)
		assert.Equal(t, got[0], line.Vector)
	})
	t.Run("what was not proven is refused", func(t *testing.T) {
		_, err := embed.Open(t.Context(), dir, library, embed.WithProvider("coreml"))
		assert.Equal(t, fault.Usage, fault.KindOf(err))
		assert.ErrorContains(t, err, `wanted one of ["cpu × fp32"]`)
	})
	t.Run("a release without its manifest is refused", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "release")
		require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
		require.NoError(t, os.Remove(filepath.Join(other, "release.json")))
		out, err := w.command("embed", "--release", other, texts[0]).CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), "release.json")
	})
	for _, file := range []string{"model/fp32.onnx", "model/tokenizer.json", "model/candidate.json", "policy.yaml", "release.json"} {
		t.Run("a changed "+file+" is refused", func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "release")
			require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
			path := filepath.Join(other, filepath.FromSlash(file))
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			if file == "release.json" {
				b = []byte(strings.Replace(string(b), `"variant": "fp32"`, `"variant": "int8"`, 1))
			} else {
				b[len(b)/2] ^= 1
			}
			require.NoError(t, os.WriteFile(path, b, 0o666))
			_, err = embed.Open(t.Context(), other, library)
			require.Error(t, err)
		})
	}
}
