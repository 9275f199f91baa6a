package compute_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/pyenv/process"
	"github.com/embedgate/embedgate/export/stmodel"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/golden/compute"
	"github.com/embedgate/embedgate/golden/safetensors"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/scripts"
)

// tolerance is how far the same computation may lie apart on two machines.
const tolerance = 1e-9

func needsTorch(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("loads PyTorch: run without -short")
	}
}

func builtin(t *testing.T) golden.Set {
	t.Helper()
	s, ok, err := golden.Builtin("all-MiniLM-L6-v2")
	require.NoError(t, err)
	require.True(t, ok)
	return s
}

// config is what a model's directory says.
func config(t *testing.T, dir string) stmodel.Config {
	t.Helper()
	c, err := stmodel.Read(dir)
	require.NoError(t, err)
	return c
}

func TestASampleComputedAgainAgrees(t *testing.T) {
	needsTorch(t)
	t.Parallel()
	s := builtin(t)
	// In the corpus's order, which a sample keeps. The first also has layer states.
	only := []string{
		"everyday-005", "ladder-0001", "ladder-0016", "ladder-0257", "language-korean-1", "accents-nfd-001",
		"emoji-001", "control-001", "invalid-utf8-003", "special-001", "pair-01-near-miss", "empty-001",
	}
	var want []int
	for i, x := range s.Texts {
		if slices.Contains(only, x.ID) {
			want = append(want, i)
		}
	}
	require.Len(t, want, len(only))

	out := filepath.Join(t.TempDir(), "sample")
	require.NoError(t, compute.Run(context.Background(), compute.Options{
		Python: exporttest.ReferencePython(t), ModelDir: exporttest.SourceDir(t), Config: config(t, exporttest.SourceDir(t)), Model: s.Model,
		Texts: s.Files[golden.TextsName], Out: out, Only: only,
	}))
	b, err := os.ReadFile(filepath.Join(out, golden.VectorsName))
	require.NoError(t, err)
	f, err := safetensors.Parse(b)
	require.NoError(t, err)
	pooled, shape, err := f.F64("pooled")
	require.NoError(t, err)
	require.Equal(t, []int{len(only), s.Dim}, shape)
	ids, _, err := f.I32("ids")
	require.NoError(t, err)
	offsets, _, err := f.I64("offsets")
	require.NoError(t, err)
	for row, i := range want {
		require.InDeltaSlice(t, s.Pooled[i*s.Dim:(i+1)*s.Dim], pooled[row*s.Dim:(row+1)*s.Dim], tolerance, s.Texts[i].ID)
		var got []int64
		for _, id := range ids[offsets[row]:offsets[row+1]] {
			got = append(got, int64(id))
		}
		require.Equal(t, s.IDs[i], got, s.Texts[i].ID)
	}
	states, _, err := f.F32("states." + s.Texts[s.States[0].Text].ID)
	require.NoError(t, err)
	require.InDeltaSlice(t, s.States[0].Values, states, 1e-5, "a float32 step at the size of a hidden state")
}

func TestTheCorpusIsWhatItsScriptWrites(t *testing.T) {
	needsTorch(t) // the tokenizers library alone, but from the same environment
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, scripts.FS))
	// The script itself counts the ladder's tokens with the real tokenizer.
	got, err := process.Command(context.Background(), exporttest.ReferencePython(t), filepath.Join(dir, "golden", "golden_texts.py"),
		filepath.Join(exporttest.SourceDir(t), "tokenizer.json")).Output()
	require.NoError(t, err)
	require.Equal(t, string(builtin(t).Files[golden.TextsName]), string(got))
}

func TestATinyModelWithOtherPoolingGetsItsGolden(t *testing.T) {
	needsTorch(t)
	t.Parallel()
	texts := []byte(`{"id":"a","group":"g","text":"a few words to say hello"}` + "\n" + `{"id":"b","group":"g","base64":"Yf8="}` + "\n")
	for _, pooling := range []string{"cls", "max"} {
		t.Run(pooling, func(t *testing.T) {
			t.Parallel()
			dir, files := exporttest.TinyModel(t, exporttest.TinyOptions{Hidden: 48, Heads: 3, Intermediate: 80, Pooling: pooling, NoNormalize: true})
			out := filepath.Join(t.TempDir(), "golden")
			o := compute.Options{Python: exporttest.ReferencePython(t), ModelDir: dir, Config: config(t, dir), Model: "tiny", Texts: texts, Out: out}
			require.NoError(t, compute.Run(context.Background(), o))
			s, err := golden.Read(out)
			require.NoError(t, err)
			assert.Equal(t, pooling, s.Pooling)
			assert.False(t, s.Normalize)
			assert.Equal(t, 48, s.Dim)
			assert.Equal(t, files, s.Source, "every file is named by its digest")
			require.Len(t, s.States, 1)

			// The pooling is what the last layer's states say it is.
			last := s.States[0].Values[(s.States[0].Layers-1)*len(s.IDs[0])*s.Dim:]
			for j := range s.Dim {
				want := last[j]
				for k := range s.IDs[0] {
					if pooling == "max" {
						want = max(want, last[k*s.Dim+j])
					}
				}
				require.InDelta(t, want, s.Embedding(0)[j], 1e-6)
			}

			if pooling != "cls" {
				return // each run loads PyTorch
			}
			// The same again: the same bytes, over the one that is there.
			require.NoError(t, compute.Run(context.Background(), o))
			again, err := golden.Read(out)
			require.NoError(t, err)
			assert.Equal(t, s.Files, again.Files)
		})
	}
}

func TestATextThatIsNotThereIsNamed(t *testing.T) {
	needsTorch(t)
	t.Parallel()
	err := compute.Run(context.Background(), compute.Options{
		Python: exporttest.ReferencePython(t), ModelDir: exporttest.SourceDir(t), Config: config(t, exporttest.SourceDir(t)), Model: "tiny", Texts: []byte(oneText), Only: []string{"a", "zebra"}, Out: filepath.Join(t.TempDir(), "x"),
	})
	require.ErrorContains(t, err, "zebra")
	assert.Equal(t, fault.Usage, fault.KindOf(err))
}
