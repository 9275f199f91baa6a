package make_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/make"
	"github.com/embedgate/embedgate/golden/safetensors"
)

func TestASampleComputedAgainAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("loads PyTorch: run without -short")
	}
	s, _, err := golden.Builtin("all-MiniLM-L6-v2")
	require.NoError(t, err)
	at := map[string]int{}
	for i, x := range s.Texts {
		at[x.ID] = i
	}
	only := []string{"everyday-001", "ladder-0001", "ladder-0257", "language-korean-1", "accents-nfd-001", "emoji-001", "control-001", "invalid-utf8-003", "special-001", "pair-01-near-miss", "empty-001"}
	out := filepath.Join(t.TempDir(), "sample")
	require.NoError(t, make.Run(context.Background(), make.Options{
		Python: exporttest.Python(t), ModelDir: exporttest.SourceDir(t), Model: s.Model,
		Texts: s.Files[golden.TextsName], Out: out, Only: only,
	}))
	b, err := os.ReadFile(filepath.Join(out, golden.VectorsName))
	require.NoError(t, err)
	f, err := safetensors.Parse(b)
	require.NoError(t, err)
	got, _, err := f.F64("pooled")
	require.NoError(t, err)
	require.Len(t, got, len(only)*s.Dim)
	row := 0
	for i, x := range s.Texts { // the sample keeps the corpus's order
		if _, ok := at[x.ID]; !ok || !contains(only, x.ID) {
			continue
		}
		for j := range s.Dim {
			require.LessOrEqual(t, math.Abs(got[row*s.Dim+j]-s.Pooled[i*s.Dim+j]), 1e-9, x.ID)
		}
		row++
	}
	require.Equal(t, len(only), row)
}

func TestATinyModelWithOtherPoolingGetsItsGolden(t *testing.T) {
	if testing.Short() {
		t.Skip("loads PyTorch: run without -short")
	}
	dir, files := exporttest.TinyModel(t, exporttest.TinyOptions{Hidden: 48, Heads: 3, Intermediate: 80, Pooling: "cls", NoNormalize: true})
	out := filepath.Join(t.TempDir(), "golden")
	texts := []byte(`{"id":"a","group":"g","text":"hello"}` + "\n" + `{"id":"b","group":"g","base64":"Yf8="}` + "\n")
	require.NoError(t, make.Run(context.Background(), make.Options{
		Python: exporttest.Python(t), ModelDir: dir, Model: "tiny", Texts: texts, Out: out,
	}))
	s, err := golden.Read(out)
	require.NoError(t, err)
	require.Equal(t, "cls", s.Pooling)
	require.False(t, s.Normalize)
	require.Equal(t, 48, s.Dim)
	require.Equal(t, files["model.safetensors"], s.Source["model.safetensors"])
}

func contains(l []string, s string) bool {
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}
