package ort

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/export/onnxfile/onnxedit"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

var background = context.Background()

// foundLibrary is kept because finding it asks a Python environment, which
// costs more than most of these tests.
var foundLibrary struct {
	sync.Once
	path string
}

func libraryPath(t testing.TB) string {
	t.Helper()
	foundLibrary.Do(func() { foundLibrary.path = exporttest.OrtLib(t) })
	require.NotEmpty(t, foundLibrary.path, "ONNX Runtime's library was not found, as an earlier test says")
	return foundLibrary.path
}

func config(t testing.TB, model string, e candidate.Embedding) Config {
	t.Helper()
	return Config{Library: providers.Library{Path: libraryPath(t)}, Model: model, Provider: "cpu", Embedding: e}
}

func mustOpen(t testing.TB, c Config) *Session {
	t.Helper()
	s, err := Open(background, c)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// refused asserts that Open fails as a fault of that kind with that text.
func refused(t *testing.T, c Config, kind fault.Kind, says string) {
	t.Helper()
	s, err := Open(background, c)
	if !assert.Error(t, err) {
		_ = s.Close()
		return
	}
	assert.Equal(t, kind, fault.KindOf(err), "%v", err)
	assert.ErrorContains(t, err, says)
}

// padded is two rows: tokens 3, 5, 2 and, padded, 7.
var padded = providers.Batch{
	Rows: 2, Cols: 3,
	IDs:  []int64{3, 5, 2, 7, 0, 0},
	Mask: []int64{1, 1, 1, 1, 0, 0},
}

func TestTokenVectorsArePooledAsTheConfigurationSays(t *testing.T) {
	a, b, c := modeltest.Word(3), modeltest.Word(5), modeltest.Word(2)
	mean, maxi := make([]float64, modeltest.Dim), make([]float64, modeltest.Dim)
	for i := range mean {
		mean[i] = (float64(a[i]) + float64(b[i]) + float64(c[i])) / 3
		maxi[i] = float64(max(a[i], b[i], c[i]))
	}
	for _, tc := range []struct {
		name      string
		pooling   candidate.Pooling
		normalize bool
		first     []float64
	}{
		{"mean", candidate.PoolMean, false, mean},
		{"mean, normalised", candidate.PoolMean, true, modeltest.Unit(mean)},
		{"cls", candidate.PoolCLS, false, modeltest.Float64s(a)},
		{"cls, normalised", candidate.PoolCLS, true, modeltest.Unit(modeltest.Float64s(a))},
		{"max", candidate.PoolMax, false, maxi},
		{"max, normalised", candidate.PoolMax, true, modeltest.Unit(maxi)},
	} {
		for _, output := range []string{"last_hidden_state", "token_embeddings"} {
			t.Run(tc.name+" of "+output, func(t *testing.T) {
				s := mustOpen(t, config(t, modeltest.LookupOf(output, modeltest.Int64).Write(t), modeltest.Embedding(tc.pooling, tc.normalize)))
				out, err := s.Run(background, padded, nil)
				require.NoError(t, err)
				require.Len(t, out, 2*modeltest.Dim)
				assert.InDeltaSlice(t, tc.first, modeltest.Float64s(out[:modeltest.Dim]), 1e-6)
				second := modeltest.Float64s(modeltest.Word(7)) // one real token: every pooling is that token
				if tc.normalize {
					second = modeltest.Unit(second)
				}
				assert.InDeltaSlice(t, second, modeltest.Float64s(out[modeltest.Dim:]), 1e-6)
			})
		}
	}
}

func TestARowOfPaddingAloneIsWhatSentenceTransformersGives(t *testing.T) {
	b := providers.Batch{Rows: 1, Cols: 2, IDs: []int64{3, 4}, Mask: []int64{0, 0}}
	for pooling, want := range map[candidate.Pooling][]float64{
		candidate.PoolMean: {0, 0, 0, 0},
		candidate.PoolMax:  {-1e9, -1e9, -1e9, -1e9},
		candidate.PoolCLS:  modeltest.Float64s(modeltest.Word(3)),
	} {
		t.Run(string(pooling), func(t *testing.T) {
			s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(pooling, false)))
			out, err := s.Run(background, b, nil)
			require.NoError(t, err)
			assert.InDeltaSlice(t, want, modeltest.Float64s(out), 1e-6)
		})
	}
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, true)))
	out, err := s.Run(background, b, nil)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 0, 0}, out, "normalising nothing gives nothing, not NaN")
}

func TestNaNAndInfComeThroughPooling(t *testing.T) {
	g := modeltest.Lookup()
	g.Initializers[0] = modeltest.Words(func(table []float32) {
		table[3*modeltest.Dim] = float32(math.NaN())
		table[5*modeltest.Dim+1] = float32(math.Inf(1))
	})
	path := g.Write(t)
	for _, p := range []candidate.Pooling{candidate.PoolMean, candidate.PoolMax} {
		s := mustOpen(t, config(t, path, modeltest.Embedding(p, false)))
		out, err := s.Run(background, padded, nil)
		require.NoError(t, err)
		assert.True(t, math.IsNaN(float64(out[0])), "%s", p)
		assert.True(t, math.IsInf(float64(out[1]), 1), "%s", p)
	}
}

func TestInt32InputsAreConverted(t *testing.T) {
	e := modeltest.Embedding(candidate.PoolMean, false)
	wide := mustOpen(t, config(t, modeltest.Lookup().Write(t), e))
	want, err := wide.Run(background, padded, nil)
	require.NoError(t, err)
	narrow := mustOpen(t, config(t, modeltest.LookupOf("last_hidden_state", modeltest.Int32).Write(t), e))
	got, err := narrow.Run(background, padded, nil)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	_, err = narrow.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{1<<32 + 3}, Mask: []int64{1}}, nil)
	assert.ErrorContains(t, err, "4294967299", "an id is never cut to 32 bits")
}

func TestTokenTypesAreZeros(t *testing.T) {
	for name, elem := range map[string]int32{"int64": modeltest.Int64, "int32": modeltest.Int32} {
		t.Run(name, func(t *testing.T) {
			g := modeltest.LookupOf("last_hidden_state", elem)
			g.Inputs = append(g.Inputs, modeltest.Input("token_type_ids", elem))
			g.Nodes = []onnxedit.Node{
				{Op: "Gather", In: []string{"words", "input_ids"}, Out: []string{"w"}},
				{Op: "Gather", In: []string{"types", "token_type_ids"}, Out: []string{"y"}},
				{Op: "Add", In: []string{"w", "y"}, Out: []string{"last_hidden_state"}},
			}
			g.Initializers = append(g.Initializers, modeltest.Floats("types", []int64{2, modeltest.Dim}, 100, 100, 100, 100, -1, -1, -1, -1))
			s := mustOpen(t, config(t, g.Write(t), modeltest.Embedding(candidate.PoolCLS, false)))
			for range 2 {
				out, err := s.Run(background, padded, nil)
				require.NoError(t, err)
				assert.Equal(t, modeltest.Word(3)[0]+100, out[0])
			}
		})
	}
}

func TestAPooledOutputIsPreferredAndTakenAsItIs(t *testing.T) {
	// The configuration says cls and normalised: a pooled output is not
	// touched, so that the gate sees an exporter that left normalising out.
	s := mustOpen(t, config(t, modeltest.Pooled().Write(t), modeltest.Embedding(candidate.PoolCLS, true)))
	out, err := s.Run(background, providers.Batch{Rows: 1, Cols: 2, IDs: []int64{3, 5}, Mask: []int64{1, 1}}, nil)
	require.NoError(t, err)
	assert.InDelta(t, (modeltest.Word(3)[0]+modeltest.Word(5)[0])/2, out[0], 1e-6)
}

func TestADimensionThatTheFileHidesIsFoundOnOpening(t *testing.T) {
	// ONNX Runtime infers shapes, so the hidden state's table must hide its
	// width too: an unknown reshape does.
	g := modeltest.Pooled()
	g.Outputs[1].Shape[1] = "hidden"
	g.Nodes[0].Out = []string{"w"}
	g.Inputs = append(g.Inputs[:1:1], g.Inputs[1:]...)
	g.Nodes = append([]onnxedit.Node{g.Nodes[0],
		{Op: "NonZero", In: []string{"words"}, Out: []string{"nz"}}, // a size known only when it runs
		{Op: "Shape", In: []string{"nz"}, Out: []string{"nzs"}},
		{Op: "Mul", In: []string{"nzs", "nil"}, Out: []string{"zero2"}},
		{Op: "Slice", In: []string{"zero2", "zero", "one"}, Out: []string{"zero1"}},
		{Op: "Concat", In: []string{"zero1", "zero1", "width"}, Out: []string{"to"}, Attributes: []onnxedit.Attribute{onnxedit.Int("axis", 0)}},
		{Op: "Reshape", In: []string{"w", "to"}, Out: []string{"last_hidden_state"}},
	}, g.Nodes[1:]...)
	g.Initializers = append(g.Initializers,
		onnxedit.Int64s("nil", 0), onnxedit.Int64s("zero", 0), onnxedit.Int64s("one", 1), onnxedit.Int64s("width", -1))
	g.Outputs = g.Outputs[1:] // only the pooled one
	path := g.Write(t)
	s := mustOpen(t, config(t, path, modeltest.Embedding(candidate.PoolMean, false)))
	out, err := s.Run(background, padded, nil)
	require.NoError(t, err)
	assert.Len(t, out, 2*modeltest.Dim)

	wrong := modeltest.Embedding(candidate.PoolMean, false)
	wrong.Dimension = modeltest.Dim + 1
	refused(t, config(t, path, wrong), fault.Usage, "dimension 5")
}

func TestModelsWithOtherInputsOrOutputsAreRefused(t *testing.T) {
	change := func(by func(*modeltest.Graph)) modeltest.Graph {
		g := modeltest.Lookup()
		by(&g)
		return g
	}
	for _, c := range []struct {
		name  string
		graph modeltest.Graph
		says  string
	}{
		{"no attention mask", change(func(g *modeltest.Graph) { g.Inputs = g.Inputs[:1] }), "input_ids and attention_mask"},
		{"an input of another kind", change(func(g *modeltest.Graph) {
			g.Inputs = append(g.Inputs, onnxedit.Value{Name: "pixel_values", Type: modeltest.Float, Shape: []string{"batch", "3"}})
		}), "pixel_values"},
		{"a mask of floats", change(func(g *modeltest.Graph) { g.Inputs[1].Type = modeltest.Float }), "int64 or int32"},
		{"a mask of another rank", change(func(g *modeltest.Graph) { g.Inputs[1].Shape = []string{"batch"} }), "batch × sequence"},
		{"sizes fixed for one input alone", change(func(g *modeltest.Graph) {
			g.Inputs[0].Shape = []string{"1", "128"}
			g.Outputs[0].Shape = []string{"1", "128", "4"}
		}), "alike"},
		{"fixed sizes that exhaust memory", change(func(g *modeltest.Graph) {
			for i := range g.Inputs {
				g.Inputs[i].Shape = []string{"1073741824", "1073741824"}
			}
			g.Outputs[0].Shape = []string{"1073741824", "1073741824", "4"}
		}), "alike"},
		{"an output of another name", modeltest.LookupOf("logits", modeltest.Int64), "sentence_embedding, last_hidden_state or token_embeddings"},
		{"a pooled name on token vectors", modeltest.LookupOf("sentence_embedding", modeltest.Int64), "batch × dimension"},
		{"another dimension", change(func(g *modeltest.Graph) {
			g.Initializers[0].Dims = []int64{8, 8}
			g.Outputs[0].Shape[2] = "8"
		}), "dimension 8"},
		{"float16 out", change(func(g *modeltest.Graph) {
			g.Nodes[0].Out = []string{"w"}
			g.Nodes = append(g.Nodes, onnxedit.Node{Op: "Cast", In: []string{"w"}, Out: []string{"last_hidden_state"},
				Attributes: []onnxedit.Attribute{onnxedit.Int("to", modeltest.Float16)}})
			g.Outputs[0].Type = modeltest.Float16
		}), "float32"},
		{"float64 out", change(func(g *modeltest.Graph) {
			g.Nodes[0].Out = []string{"w"}
			g.Nodes = append(g.Nodes, onnxedit.Node{Op: "Cast", In: []string{"w"}, Out: []string{"last_hidden_state"},
				Attributes: []onnxedit.Attribute{onnxedit.Int("to", modeltest.Double)}})
			g.Outputs[0].Type = modeltest.Double
		}), "float32"},
		{"an operator that does not exist", change(func(g *modeltest.Graph) { g.Nodes[0].Op = "Gahter" }), "does not load"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, config(t, c.graph.Write(t), modeltest.Embedding(candidate.PoolMean, false)), fault.Usage, c.says)
		})
	}
}

func TestFilesThatAreNoModelAreRefused(t *testing.T) {
	whole := modeltest.Lookup().Bytes()
	dir := t.TempDir()
	e := modeltest.Embedding(candidate.PoolMean, false)
	for name, content := range map[string][]byte{
		"empty": {}, "one byte": {8}, "text": []byte("<html>not found</html>"),
		"a git LFS pointer": []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"),
		"cut in the middle": whole[:len(whole)/2], "without its last byte": whole[:len(whole)-1],
		"zeros": make([]byte, 4096),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "x.onnx")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			refused(t, config(t, path, e), fault.Usage, "x.onnx")
		})
	}
	t.Run("absent", func(t *testing.T) {
		refused(t, config(t, filepath.Join(dir, "none.onnx"), e), fault.Usage, "no such file")
	})
	t.Run("a directory", func(t *testing.T) { refused(t, config(t, dir, e), fault.Usage, "not a regular file") })
}

func TestNoCutOfAModelCrashes(t *testing.T) {
	whole := modeltest.Pooled().Bytes()
	path := filepath.Join(t.TempDir(), "cut.onnx")
	c := config(t, path, modeltest.Embedding(candidate.PoolMean, false))
	step := 1
	if testing.Short() {
		step = 17
	}
	for n := 1; n < len(whole); n += step {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		s, err := Open(background, c)
		if err == nil {
			// A cut between two fields can leave a whole model.
			require.NoError(t, s.Close())
			continue
		}
		require.Equal(t, fault.Usage, fault.KindOf(err), "cut at %d: %v", n, err)
	}
}

func TestMoreShapesThanAreKept(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolCLS, false)))
	for rows := 1; rows <= maxShapes/30+8; rows++ {
		for cols := 1; cols <= 32; cols++ {
			b := providers.Batch{Rows: rows, Cols: cols, IDs: make([]int64, rows*cols), Mask: make([]int64, rows*cols)}
			b.IDs[(rows-1)*cols] = 9
			out, err := s.Run(background, b, nil)
			require.NoError(t, err)
			require.Len(t, out, rows*modeltest.Dim)
			require.Equal(t, modeltest.Word(9), out[(rows-1)*modeltest.Dim:])
		}
	}
	assert.LessOrEqual(t, len(s.bufs.shapes), maxShapes)
}

func TestWrongMasksAreRefused(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	for _, m := range []int64{-1, 2, math.MaxInt64} {
		_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{1}, Mask: []int64{m}}, nil)
		assert.ErrorContains(t, err, "0 or 1")
	}
}

func TestAnIDBeyondTheVocabularyIsRefusedWhereTheRuntimeWouldNot(t *testing.T) {
	s := mustOpen(t, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	s.vocabulary = 5
	_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{5}, Mask: []int64{1}}, nil)
	assert.ErrorContains(t, err, "ids below 5")
	_, err = s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{4}, Mask: []int64{1}}, nil)
	assert.NoError(t, err)
}
