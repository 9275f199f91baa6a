package measure

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/golden"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/check"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/gate"
	"github.com/embedgate/embedgate/validate/verdict"
)

// realOptions is a measurement of a real candidate on the real runtime.
func realOptions(t *testing.T, c candidate.Candidate) Options {
	t.Helper()
	return Options{
		Candidate: c, Policy: smallPolicy(), Golden: smallGolden(), Provider: "cpu", Variant: "fp32",
		Libraries: library(exporttest.OrtLib(t)), Executable: self(t), Out: filepath.Join(t.TempDir(), "evidence"),
	}
}

func TestATinyModelIsMeasuredOnTheRealRuntime(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model")
	}
	o := realOptions(t, exporttest.TinyCandidate(t))
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Nil(t, ev.Crash)
	assert.Equal(t, "onnxruntime", ev.Session.Runtime)
	assert.Equal(t, 1, ev.Session.Options.Threads)
	assert.Equal(t, o.Candidate.Manifest.Embedding.Dimension, ev.Raw.Dim)
	assert.Len(t, ev.Raw.Primary, len(o.Golden.Texts)*ev.Raw.Dim)
	assertInvariant(t, ev, 1e-5)
	for _, m := range ev.Memory {
		assert.Greater(t, m.RSS, int64(8<<20))
	}
	require.Len(t, ev.Placement, 3, "one record a length")
	for k, n := range []int64{6, 16, 24} {
		p := ev.Placement[k]
		assert.Equal(t, int(n), p.Tokens)
		assert.NotEmpty(t, p.Assigned)
		at := slices.IndexFunc(p.Events, func(e providers.NodeEvent) bool { return e.Op == "MatMul" || e.Op == "FusedMatMul" })
		require.GreaterOrEqual(t, at, 0)
		e := p.Events[at]
		assert.Equal(t, "CPUExecutionProvider", e.EP)
		assert.Contains(t, e.Inputs[0], n, "that many tokens")
		assert.Equal(t, 2, e.Runs)
	}
}

func TestTheRealModelsEvidencePassesTheGateInAllButLatency(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model")
	}
	o := realOptions(t, exporttest.Candidate(t))
	var err error
	o.Policy, err = policy.Load(filepath.Join("..", "..", "policy.yaml"))
	require.NoError(t, err)
	// Few samples and one thread, so that other tests can run: the speed of this
	// machine is not tested.
	cpu := o.Policy.Providers["cpu"]
	cpu.Threads, cpu.Variants = 1, []string{"fp32"}
	o.Policy.Providers["cpu"] = cpu
	o.Policy.Latency.Launches, o.Policy.Latency.Samples = 2, 16
	for i := range o.Policy.Latency.Budgets {
		o.Policy.Latency.Budgets[i].Percentile = 50 // which 16 samples can prove
	}
	var ok bool
	o.Golden, ok, err = golden.Builtin(exporttest.Model)
	require.NoError(t, err)
	require.True(t, ok)
	_, err = Run(t.Context(), o)
	require.NoError(t, err)

	ev, err := evidence.Read(o.Out)
	require.NoError(t, err)
	assert.Equal(t, o.Golden.IDs, ev.Raw.IDs)
	assertInvariant(t, ev, 5e-6)
	assert.GreaterOrEqual(t, float64(ev.Useful)/float64(ev.Computed), 0.97)

	v, err := gate.Gate(check.Input{Policy: o.Policy, Channel: "local", Golden: o.Golden, Candidate: o.Candidate,
		Graphs: check.ReadGraphs(o.Candidate, o.Policy), Evidence: []evidence.Evidence{ev}})
	require.NoError(t, err)
	judged := map[string]bool{}
	for _, r := range v.Rows {
		if r.Provider != "cpu" || r.CPU != "" { // no evidence of other processors was given
			continue
		}
		for _, f := range r.Findings {
			judged[f.Check] = true
			switch f.Check {
			case "latency", "cold-start": // clocks
			default:
				assert.Contains(t, []verdict.Result{verdict.Pass, verdict.Reported}, f.Result, "%s, %s: %s", f.Check, f.Item, f.Measured)
			}
		}
	}
	for _, check := range []string{"integrity", "tokens", "parity", "precision", "placement", "invariance", "latency", "cold-start", "memory"} {
		assert.True(t, judged[check], check)
	}

	t.Run("and is refused by the parity check once its vectors are another model's", func(t *testing.T) {
		for i := range ev.Raw.Primary {
			ev.Raw.Primary[i] = -ev.Raw.Primary[i]
		}
		v, err := gate.Gate(check.Input{Policy: o.Policy, Channel: "local", Golden: o.Golden, Candidate: o.Candidate,
			Graphs: check.ReadGraphs(o.Candidate, o.Policy), Evidence: []evidence.Evidence{ev}})
		require.NoError(t, err)
		assert.Equal(t, verdict.Fail, v.Result)
		said := map[string]verdict.Result{}
		for _, r := range v.Rows {
			for _, f := range r.Findings {
				if r.Provider == "cpu" && (said[f.Check] == "" || f.Result == verdict.Fail) {
					said[f.Check] = f.Result
				}
			}
		}
		assert.Equal(t, verdict.Fail, said["parity"])
		assert.Equal(t, verdict.Pass, said["tokens"], "nothing else of it changed")
		assert.Equal(t, verdict.Pass, said["placement"])
	})
}

func TestAModelThatIsNoModelIsTheUsersFault(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model")
	}
	whole := exporttest.TinyCandidate(t)
	for name, spoil := range map[string]func([]byte) []byte{
		"cut short":    func(b []byte) []byte { return b[:len(b)/2] },
		"text":         func([]byte) []byte { return []byte("this is no protobuf") },
		"empty graphs": func([]byte) []byte { return []byte{0x08, 0x08} },
	} {
		t.Run(name, func(t *testing.T) {
			c := whole
			c.Dir = exporttest.Copy(t, whole.Dir)
			model := c.Manifest.Variants["fp32"].File
			path := filepath.Join(c.Dir, model)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, spoil(b), 0o600))
			c.Manifest.Files = map[string]candidate.File{tokenizerName: c.Manifest.Files[tokenizerName]}
			c.Manifest.Files[model], err = files.HashFile(path)
			require.NoError(t, err)

			o := realOptions(t, c)
			_, err = Run(t.Context(), o)
			require.Error(t, err)
			assert.Equal(t, fault.Usage, fault.KindOf(err), "%v", err)
			assert.Contains(t, err.Error(), filepath.Base(model))
			assert.NoDirExists(t, o.Out)
		})
	}
}

func TestALibraryThatIsNotThereIsMissing(t *testing.T) {
	o := fakeOptions(t)
	o.Libraries = library(filepath.Join(t.TempDir(), "libonnxruntime.so"))
	_, err := Run(t.Context(), o)
	require.Error(t, err)
	assert.Equal(t, fault.Missing, fault.KindOf(err), "%v", err)
}

// assertInvariant compares each text's vector in a batch with its vector alone.
func assertInvariant(t *testing.T, ev evidence.Evidence, limit float64) {
	t.Helper()
	dim := ev.Raw.Dim
	require.NotEmpty(t, ev.Raw.Invariance)
	for _, r := range ev.Raw.Invariance {
		for k, row := range r.Rows {
			for d := range dim {
				require.InDelta(t, ev.Raw.Primary[row*dim+d], r.Vecs[k*dim+d], limit, "%s, text %d", r.Name, row)
			}
		}
	}
}

// library is that one library, for any provider.
func library(path string) func(context.Context, string) (providers.Library, error) {
	return func(context.Context, string) (providers.Library, error) { return providers.Library{Path: path}, nil }
}
