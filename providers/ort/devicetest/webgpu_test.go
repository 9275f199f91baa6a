package devicetest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/providertest"
)

const (
	webgpu = "WebGpuExecutionProvider"
	cpu    = "CPUExecutionProvider"
)

var background = context.Background()

var found struct {
	sync.Once
	lib providers.Library
	err error
}

// lib is WebGPU's library. A machine without npm, libvulkan or a driver skips
// and says what is missing; in CI that is a failure.
func lib(t testing.TB) providers.Library {
	t.Helper()
	if testing.Short() {
		t.Skip("exports a model and fetches a library of 114 MB")
	}
	e, ok := providers.Lookup("webgpu")
	require.True(t, ok)
	found.Do(func() {
		found.lib, found.err = library.Find(background, e, library.Options{Progress: func(e progress.Event) { t.Log(e.Message) }})
	})
	if fault.KindOf(found.err) == fault.Missing && os.Getenv("CI") == "" {
		t.Skip(found.err)
	}
	require.NoError(t, found.err)
	return found.lib
}

// tiny is a session's configuration for a tiny random BERT.
func tiny(t testing.TB) (ort.Config, int64) {
	t.Helper()
	l := lib(t)
	c := exporttest.TinyCandidate(t)
	return ort.Config{Library: l, Model: model(c), Provider: "webgpu", Embedding: c.Manifest.Embedding}, vocabulary(t, c)
}

// vocabulary is the size of a candidate's vocabulary, from its config.json.
func vocabulary(t testing.TB, c candidate.Candidate) int64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.Dir, "config.json"))
	require.NoError(t, err)
	var config struct {
		VocabSize int64 `json:"vocab_size"`
	}
	require.NoError(t, json.Unmarshal(raw, &config))
	return config.VocabSize
}

func model(c candidate.Candidate) string {
	return filepath.Join(c.Dir, c.Manifest.Variants["fp32"].File)
}

func batch(rows, cols int) providers.Batch {
	b := providers.Batch{Rows: rows, Cols: cols}
	for i := range rows * cols {
		b.IDs, b.Mask = append(b.IDs, int64(1000+37*i)), append(b.Mask, 1)
	}
	return b
}

// on counts the executed nodes of an operator by provider.
func on(p providers.Placement, op string) map[string]int {
	n := map[string]int{}
	for _, e := range p.Events {
		if e.Op == op || op == "" {
			n[e.EP] += e.Runs
		}
	}
	return n
}

// assigned lists the names of an operator's nodes by provider.
func assigned(p providers.Placement, op string) map[string][]string {
	n := map[string][]string{}
	for _, s := range p.Assigned {
		for _, x := range s.Nodes {
			if x.Op == op || op == "" {
				n[s.EP] = append(n[s.EP], x.Name)
			}
		}
	}
	return n
}

func TestWebGPUGivesTheCPUsVectors(t *testing.T) {
	c, _ := tiny(t)
	g, err := ort.Open(background, c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, g.Close()) }()
	c.Provider = "cpu" // the same library computes on the CPU too
	p, err := ort.Open(background, c)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	for _, b := range []providers.Batch{batch(1, 5), batch(3, 16)} {
		want, err := p.Run(background, b, nil)
		require.NoError(t, err)
		got, err := g.Run(background, b, nil)
		require.NoError(t, err)
		worst := 0.0
		for i := range want {
			worst = max(worst, math.Abs(float64(want[i])-float64(got[i])))
		}
		t.Logf("%d × %d: at most %.3g from the CPU's", b.Rows, b.Cols, worst)
		assert.Less(t, worst, 1e-5)
	}
	i := g.Info()
	t.Logf("%+v", i)
	assert.Equal(t, "webgpu", i.Provider)
	assert.NotEmpty(t, i.Device.Name)
}

func TestTheRecordShowsWebGPUAtWork(t *testing.T) {
	c, _ := tiny(t)
	all, err := record(background, c, []providers.Batch{batch(1, 8), batch(2, 16)}, 2)
	require.NoError(t, err)
	for _, p := range all {
		t.Logf("assigned: %d on WebGPU, %v on the CPU", len(assigned(p, "")[webgpu]), assigned(p, "")[cpu])
		assert.NotEmpty(t, on(p, "MatMul")[webgpu])
		assert.Empty(t, on(p, "MatMul")[cpu])
		assert.NotEmpty(t, assigned(p, "MatMul")[webgpu])
		assert.Empty(t, assigned(p, "MatMul")[cpu])
		assert.Greater(t, on(p, "")[webgpu], 3*on(p, "")[cpu])
	}
	assert.Equal(t, all[0].Assigned, all[1].Assigned)
}

// The event that began this project: a provider that is there, and whose work
// another does.
func TestKeyOperatorsForcedToTheCPUShowInTheRecord(t *testing.T) {
	c, _ := tiny(t)
	all, err := record(background, c, []providers.Batch{batch(1, 8)}, 1)
	require.NoError(t, err)
	names := assigned(all[0], "MatMul")[webgpu]
	require.NotEmpty(t, names)
	c.Options.Provider = map[string]string{"forceCpuNodeNames": strings.Join(names, "\n")}
	all, err = record(background, c, []providers.Batch{batch(1, 8)}, 1)
	require.NoError(t, err)
	p := all[0]
	assert.ElementsMatch(t, names, assigned(p, "MatMul")[cpu])
	assert.Empty(t, assigned(p, "MatMul")[webgpu])
	matmul := map[string]int{}
	for _, e := range p.Events {
		if strings.Contains(e.Op, "MatMul") || e.Op == "Gemm" {
			matmul[e.EP] += e.Runs
		}
	}
	t.Logf("executed matrix products: %v", matmul)
	assert.Equal(t, len(names), matmul[cpu], "and the profile says so too")
	assert.Zero(t, matmul[webgpu])

	c.Options.Strict = true
	_, err = ort.Open(background, c)
	require.Error(t, err, "strict: no session where a node falls back")
	assert.Equal(t, fault.Refused, fault.KindOf(err), "%v", err)
	assert.ErrorContains(t, err, "as strict asks")
}

func TestWebGPUConforms(t *testing.T) {
	c, vocab := tiny(t)
	providertest.Run(t, func(t providertest.T) providers.Session {
		s, err := ort.Open(background, c)
		require.NoError(t, err)
		return s
	}, providertest.Facts{
		Provider: "webgpu", Dim: c.Embedding.Dimension, MaxTokens: c.Embedding.MaxTokens, Vocab: vocab,
		Normalize: c.Embedding.Normalize, Tolerance: 1e-5, SlowRows: 1, Rounds: 40, Budget: 15 * time.Second, SettleRounds: 2,
		// SwiftShader compiles what a device runs, 5 s for two shapes, and keeps
		// the code of devices that are gone, 70 MB each, for as long as it likes.
		// While a device is in use each session that ran on it leaves 5 MB there,
		// closed or not; they go with the device. Opening and closing alone leave
		// nothing, nor does a run.
		KeepOneOpen: true, KeptBytes: 16 << 20,
		// SwiftShader ends the process when it has no memory; a buffer that is too large is
		// refused by WebGPU itself.
		OutOfMemoryRows: 20_000, DeviceLimits: true,
	})
}

// badDriver makes this test binary a process whose Vulkan has no device.
const badDriver = "EMBEDGATE_TEST_BAD_DRIVER"

func TestAWebGPUWithoutADeviceIsMissing(t *testing.T) {
	if driver := os.Getenv(badDriver); driver != "" {
		// What library.Find would have refused.
		l := providers.Library{Path: os.Getenv("EMBEDGATE_WEBGPU_LIB"),
			Env: []string{"VK_ICD_FILENAMES=" + driver, "VK_DRIVER_FILES=" + driver}}
		x := exporttest.TinyCandidate(t)
		_, err := ort.Open(background, ort.Config{Library: l, Model: model(x), Provider: "webgpu", Embedding: x.Manifest.Embedding})
		require.Error(t, err, "no session where there is no device")
		t.Log(err)
		assert.Equal(t, fault.Missing, fault.KindOf(err))
		assert.ErrorContains(t, err, "provider webgpu: got no device")
		return
	}
	c, _ := tiny(t)
	text := filepath.Join(t.TempDir(), "icd.json")
	require.NoError(t, os.WriteFile(text, []byte("{}"), 0o600))
	for name, driver := range map[string]string{"none": filepath.Join(t.TempDir(), "none.json"), "one that is none": text} {
		t.Run(name, func(t *testing.T) {
			out := child(t, "TestAWebGPUWithoutADeviceIsMissing", badDriver+"="+driver, "VK_ICD_FILENAMES="+driver, "EMBEDGATE_WEBGPU_LIB="+c.Library.Path)
			assert.Contains(t, out, "--- PASS")
			t.Logf("%s", out)
		})
	}
}

// record opens a recorded session, runs each batch as Recorder.Run does, and
// returns one record a batch.
func record(ctx context.Context, c ort.Config, batches []providers.Batch, runs int) (_ []providers.Placement, err error) {
	r, err := ort.OpenRecorded(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, b := range batches {
		if err := r.Run(ctx, b, runs); err != nil {
			return nil, err
		}
	}
	return r.Finish()
}
