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
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
)

var background = context.Background()

func handEmbedding(p candidate.Pooling, normalize bool) candidate.Embedding {
	return candidate.Embedding{Pooling: p, Normalize: normalize, MaxTokens: 32, Dimension: handDim}
}

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

func f64(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func unit(v []float64) []float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = x / math.Sqrt(sum)
	}
	return out
}

func TestTokenVectorsArePooledAsTheConfigurationSays(t *testing.T) {
	a, b, c := word(3), word(5), word(2)
	mean, maxi := make([]float64, handDim), make([]float64, handDim)
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
		{"mean, normalised", candidate.PoolMean, true, unit(mean)},
		{"cls", candidate.PoolCLS, false, f64(a)},
		{"cls, normalised", candidate.PoolCLS, true, unit(f64(a))},
		{"max", candidate.PoolMax, false, maxi},
		{"max, normalised", candidate.PoolMax, true, unit(maxi)},
	} {
		for _, output := range []string{"last_hidden_state", "token_embeddings"} {
			t.Run(tc.name+" of "+output, func(t *testing.T) {
				s := mustOpen(t, config(t, lookup(output, tInt64).write(t), handEmbedding(tc.pooling, tc.normalize)))
				out, err := s.Run(background, padded, nil)
				require.NoError(t, err)
				require.Len(t, out, 2*handDim)
				assert.InDeltaSlice(t, tc.first, f64(out[:handDim]), 1e-6)
				second := f64(word(7)) // one real token: every pooling is that token
				if tc.normalize {
					second = unit(second)
				}
				assert.InDeltaSlice(t, second, f64(out[handDim:]), 1e-6)
			})
		}
	}
}

func TestARowOfPaddingAloneIsWhatSentenceTransformersGives(t *testing.T) {
	b := providers.Batch{Rows: 1, Cols: 2, IDs: []int64{3, 4}, Mask: []int64{0, 0}}
	for pooling, want := range map[candidate.Pooling][]float64{
		candidate.PoolMean: {0, 0, 0, 0},
		candidate.PoolMax:  {-1e9, -1e9, -1e9, -1e9},
		candidate.PoolCLS:  f64(word(3)),
	} {
		t.Run(string(pooling), func(t *testing.T) {
			s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(pooling, false)))
			out, err := s.Run(background, b, nil)
			require.NoError(t, err)
			assert.InDeltaSlice(t, want, f64(out), 1e-6)
		})
	}
	s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(candidate.PoolMean, true)))
	out, err := s.Run(background, b, nil)
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 0, 0}, out, "normalising nothing gives nothing, not NaN")
}

func TestNaNAndInfComeThroughPooling(t *testing.T) {
	g := lookup("last_hidden_state", tInt64)
	g.constants[0].f32[3*handDim] = float32(math.NaN())
	g.constants[0].f32[5*handDim+1] = float32(math.Inf(1))
	path := g.write(t)
	for _, p := range []candidate.Pooling{candidate.PoolMean, candidate.PoolMax} {
		s := mustOpen(t, config(t, path, handEmbedding(p, false)))
		out, err := s.Run(background, padded, nil)
		require.NoError(t, err)
		assert.True(t, math.IsNaN(float64(out[0])), "%s", p)
		assert.True(t, math.IsInf(float64(out[1]), 1), "%s", p)
	}
}

func TestInt32InputsAreConverted(t *testing.T) {
	e := handEmbedding(candidate.PoolMean, false)
	wide := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), e))
	want, err := wide.Run(background, padded, nil)
	require.NoError(t, err)
	narrow := mustOpen(t, config(t, lookup("last_hidden_state", tInt32).write(t), e))
	got, err := narrow.Run(background, padded, nil)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	_, err = narrow.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{1<<32 + 3}, Mask: []int64{1}}, nil)
	assert.ErrorContains(t, err, "4294967299", "an id is never cut to 32 bits")
}

func TestTokenTypesAreZeros(t *testing.T) {
	for name, elem := range map[string]int{"int64": tInt64, "int32": tInt32} {
		t.Run(name, func(t *testing.T) {
			g := lookup("last_hidden_state", elem)
			g.in = append(g.in, value{"token_type_ids", elem, []any{"batch", "sequence"}})
			g.nodes = []node{
				{op: "Gather", in: []string{"words", "input_ids"}, out: []string{"w"}},
				{op: "Gather", in: []string{"types", "token_type_ids"}, out: []string{"y"}},
				{op: "Add", in: []string{"w", "y"}, out: []string{"last_hidden_state"}},
			}
			g.constants = append(g.constants, constant{name: "types", dims: []int64{2, handDim},
				f32: []float32{100, 100, 100, 100, -1, -1, -1, -1}})
			s := mustOpen(t, config(t, g.write(t), handEmbedding(candidate.PoolCLS, false)))
			for range 2 {
				out, err := s.Run(background, padded, nil)
				require.NoError(t, err)
				assert.Equal(t, word(3)[0]+100, out[0])
			}
		})
	}
}

// pooledGraph has both outputs; sentence_embedding is the plain mean over all.
func pooledGraph(dim any) graph {
	g := lookup("last_hidden_state", tInt64)
	g.nodes = append(g.nodes, node{op: "ReduceMean", in: []string{"last_hidden_state", "axis"},
		out: []string{"sentence_embedding"}, ints: map[string]int64{"keepdims": 0}})
	g.constants = append(g.constants, constant{name: "axis", dims: []int64{1}, i64: []int64{1}})
	g.out = append(g.out, value{"sentence_embedding", tFloat, []any{"batch", dim}})
	return g
}

func TestAPooledOutputIsPreferredAndTakenAsItIs(t *testing.T) {
	// The configuration says cls and normalised: a pooled output is not
	// touched, so that the gate sees an exporter that left normalising out.
	s := mustOpen(t, config(t, pooledGraph(handDim).write(t), handEmbedding(candidate.PoolCLS, true)))
	out, err := s.Run(background, providers.Batch{Rows: 1, Cols: 2, IDs: []int64{3, 5}, Mask: []int64{1, 1}}, nil)
	require.NoError(t, err)
	assert.InDelta(t, (word(3)[0]+word(5)[0])/2, out[0], 1e-6)
}

func TestADimensionThatTheFileHidesIsFoundOnOpening(t *testing.T) {
	// ONNX Runtime infers shapes, so the hidden state's table must hide its
	// width too: an unknown reshape does.
	g := pooledGraph("hidden")
	g.nodes[0].out = []string{"w"}
	g.in = append(g.in[:1:1], g.in[1:]...)
	g.nodes = append([]node{g.nodes[0],
		{op: "NonZero", in: []string{"words"}, out: []string{"nz"}}, // a size known only when it runs
		{op: "Shape", in: []string{"nz"}, out: []string{"nzs"}},
		{op: "Mul", in: []string{"nzs", "nil"}, out: []string{"zero2"}},
		{op: "Slice", in: []string{"zero2", "zero", "one"}, out: []string{"zero1"}},
		{op: "Concat", in: []string{"zero1", "zero1", "width"}, out: []string{"to"}, ints: map[string]int64{"axis": 0}},
		{op: "Reshape", in: []string{"w", "to"}, out: []string{"last_hidden_state"}},
	}, g.nodes[1:]...)
	g.constants = append(g.constants,
		constant{name: "nil", dims: []int64{1}, i64: []int64{0}},
		constant{name: "zero", dims: []int64{1}, i64: []int64{0}},
		constant{name: "one", dims: []int64{1}, i64: []int64{1}},
		constant{name: "width", dims: []int64{1}, i64: []int64{-1}})
	g.out = g.out[1:] // only the pooled one
	path := g.write(t)
	s := mustOpen(t, config(t, path, handEmbedding(candidate.PoolMean, false)))
	out, err := s.Run(background, padded, nil)
	require.NoError(t, err)
	assert.Len(t, out, 2*handDim)

	wrong := handEmbedding(candidate.PoolMean, false)
	wrong.Dimension = handDim + 1
	refused(t, config(t, path, wrong), fault.Usage, "dimension 5")
}

func TestModelsThatCannotBeFedAreRefused(t *testing.T) {
	change := func(by func(*graph)) graph {
		g := lookup("last_hidden_state", tInt64)
		by(&g)
		return g
	}
	for _, c := range []struct {
		name  string
		graph graph
		says  string
	}{
		{"no attention mask", change(func(g *graph) { g.in = g.in[:1] }), "input_ids and attention_mask"},
		{"an input of another kind", change(func(g *graph) {
			g.in = append(g.in, value{"pixel_values", tFloat, []any{"batch", 3}})
		}), "pixel_values"},
		{"a mask of floats", change(func(g *graph) { g.in[1].elem = tFloat }), "int64 or int32"},
		{"a mask of another rank", change(func(g *graph) { g.in[1].dims = []any{"batch"} }), "batch × sequence"},
		{"sizes fixed for one input alone", change(func(g *graph) { g.in[0].dims = []any{1, 128}; g.out[0].dims = []any{1, 128, handDim} }), "alike"},
		{"fixed sizes that exhaust memory", change(func(g *graph) {
			for i := range g.in {
				g.in[i].dims = []any{1 << 30, 1 << 30}
			}
			g.out[0].dims = []any{1 << 30, 1 << 30, handDim}
		}), "alike"},
		{"an output of another name", lookup("logits", tInt64), "sentence_embedding, last_hidden_state or token_embeddings"},
		{"a pooled name on token vectors", lookup("sentence_embedding", tInt64), "batch × dimension"},
		{"another dimension", change(func(g *graph) {
			g.constants[0].dims = []int64{8, 8}
			g.out[0].dims[2] = 8
		}), "dimension 8"},
		{"float16 out", change(func(g *graph) {
			g.nodes[0].out = []string{"w"}
			g.nodes = append(g.nodes, node{op: "Cast", in: []string{"w"}, out: []string{"last_hidden_state"},
				ints: map[string]int64{"to": tFloat16}})
			g.out[0].elem = tFloat16
		}), "float32"},
		{"float64 out", change(func(g *graph) {
			g.nodes[0].out = []string{"w"}
			g.nodes = append(g.nodes, node{op: "Cast", in: []string{"w"}, out: []string{"last_hidden_state"},
				ints: map[string]int64{"to": tDouble}})
			g.out[0].elem = tDouble
		}), "float32"},
		{"an operator that does not exist", change(func(g *graph) { g.nodes[0].op = "Gahter" }), "does not load"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, config(t, c.graph.write(t), handEmbedding(candidate.PoolMean, false)), fault.Usage, c.says)
		})
	}
}

func TestFilesThatAreNoModelAreRefused(t *testing.T) {
	whole := lookup("last_hidden_state", tInt64).encode()
	dir := t.TempDir()
	e := handEmbedding(candidate.PoolMean, false)
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
	whole := pooledGraph(handDim).encode()
	path := filepath.Join(t.TempDir(), "cut.onnx")
	c := config(t, path, handEmbedding(candidate.PoolMean, false))
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
	s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(candidate.PoolCLS, false)))
	for rows := 1; rows <= maxShapes/30+8; rows++ {
		for cols := 1; cols <= 32; cols++ {
			b := providers.Batch{Rows: rows, Cols: cols, IDs: make([]int64, rows*cols), Mask: make([]int64, rows*cols)}
			b.IDs[(rows-1)*cols] = 9
			out, err := s.Run(background, b, nil)
			require.NoError(t, err)
			require.Len(t, out, rows*handDim)
			require.Equal(t, word(9), out[(rows-1)*handDim:])
		}
	}
	assert.LessOrEqual(t, len(s.bufs.shapes), maxShapes)
}

func TestWrongMasksAreRefused(t *testing.T) {
	s := mustOpen(t, config(t, lookup("last_hidden_state", tInt64).write(t), handEmbedding(candidate.PoolMean, false)))
	for _, m := range []int64{-1, 2, math.MaxInt64} {
		_, err := s.Run(background, providers.Batch{Rows: 1, Cols: 1, IDs: []int64{1}, Mask: []int64{m}}, nil)
		assert.ErrorContains(t, err, "0 or 1")
	}
}
