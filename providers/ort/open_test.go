package ort

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/ort/internal/environment"
	"github.com/embedgate/embedgate/providers/ort/internal/modeltest"
)

func TestConfigurationsThatMeanNothingAreRefused(t *testing.T) {
	path := modeltest.Lookup().Write(t)
	ok := config(t, path, modeltest.Embedding(candidate.PoolMean, false))
	change := func(by func(*Config)) Config {
		c := ok
		by(&c)
		return c
	}
	for _, c := range []struct {
		name string
		cfg  Config
		kind fault.Kind
		says string
	}{
		{"no pooling", change(func(c *Config) { c.Embedding.Pooling = "" }), fault.Usage, "pooling"},
		{"no dimension", change(func(c *Config) { c.Embedding.Dimension = 0 }), fault.Usage, "dimension"},
		{"a dimension to exhaust memory", change(func(c *Config) { c.Embedding.Dimension = math.MaxInt }), fault.Usage, "dimension"},
		{"no maximum", change(func(c *Config) { c.Embedding.MaxTokens = 0 }), fault.Usage, "max_tokens"},
		{"an unknown provider", change(func(c *Config) { c.Provider = "npu" }), fault.Usage, "one of cpu"},
		{"a provider that is not built", change(func(c *Config) { c.Provider = "directml" }), fault.Missing, "directml"},
		{"options that the CPU does not have", change(func(c *Config) {
			c.Options.Provider = map[string]string{"device_id": "0"}
		}), fault.Usage, "no options of its own"},
		{"negative threads", change(func(c *Config) { c.Options.Threads = -1 }), fault.Usage, "threads"},
		{"an optimizer's name that hides another", change(func(c *Config) {
			c.Options.DisabledOptimizers = []string{"A;B"}
		}), fault.Usage, "optimizer"},
		{"no library", change(func(c *Config) { c.Library.Path = "" }), fault.Missing, "ONNX Runtime library"},
		{"a library that is not there", change(func(c *Config) { c.Library.Path = "/nonexistent/libonnxruntime.so" }), fault.Missing, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.cfg, c.kind, c.says) })
	}
}

func TestASecondLibraryInOneProcessIsRefused(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	mustOpen(t, c)
	other := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(other, []byte("another build"), 0o600))
	second := c
	second.Library.Path = other
	refused(t, second, fault.Usage, "a process of its own")

	link := filepath.Join(t.TempDir(), "link.so")
	require.NoError(t, os.Symlink(c.Library.Path, link))
	same := c
	same.Library.Path = link
	mustOpen(t, same) // another name for the same file is the same library
}

func TestInfoSaysWhatWasOpened(t *testing.T) {
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	t.Run("defaults are filled in", func(t *testing.T) {
		i := mustOpen(t, c).Info()
		cores := min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
		assert.Equal(t, cores, i.Options.Threads)
		assert.Equal(t, cores > 1, *i.Options.Spinning)
		assert.Equal(t, []string{"SkipLayerNormFusion"}, i.Options.DisabledOptimizers)
		assert.Contains(t, i.Available, "CPUExecutionProvider")
		assert.Equal(t, "cpu", i.Provider)
		assert.Regexp(t, `^1\.\d+\.\d+`, i.RuntimeVersion)
	})
	t.Run("what was asked for is kept", func(t *testing.T) {
		off := false
		c := c
		c.Options = providers.Options{Threads: 1, Spinning: &off, DisabledOptimizers: []string{}}
		i := mustOpen(t, c).Info()
		assert.Equal(t, 1, i.Options.Threads)
		assert.False(t, *i.Options.Spinning)
		assert.Equal(t, []string{}, i.Options.DisabledOptimizers, "empty and not nil: none is disabled")
	})
	t.Run("one thread does not spin", func(t *testing.T) {
		c := c
		c.Options.Threads = 1
		assert.False(t, *mustOpen(t, c).Info().Options.Spinning)
	})
	t.Run("an Info is a copy", func(t *testing.T) {
		s := mustOpen(t, c)
		i := s.Info()
		*i.Options.Spinning = !*i.Options.Spinning
		i.Options.DisabledOptimizers[0] = "x"
		assert.NotEqual(t, i.Options, s.Info().Options)
	})
}

func TestOneSessionSpinsAtATime(t *testing.T) {
	on := true
	c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
	c.Options.Threads = 2
	first := mustOpen(t, c)
	assert.True(t, *first.Info().Options.Spinning)
	second := mustOpen(t, c)
	assert.False(t, *second.Info().Options.Spinning, "a second one does not spin by itself")
	asked := c
	asked.Options.Spinning = &on
	refused(t, asked, fault.Usage, "one spinning session at a time")
	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	third := mustOpen(t, asked)
	assert.True(t, *third.Info().Options.Spinning, "the first one has gone")
}

func TestAProviderThatTheLibraryLacksIsMissing(t *testing.T) {
	_, err := environment.Load(providers.Library{Path: libraryPath(t)})
	require.NoError(t, err)
	e, _ := providers.Lookup("webgpu")
	_, err = sessionOptions(target{entry: e}, providers.Options{Threads: 1})
	require.Error(t, err)
	assert.Equal(t, fault.Missing, fault.KindOf(err))
	assert.ErrorContains(t, err, "WebGpuExecutionProvider")
	e, _ = providers.Lookup("cuda")
	_, err = sessionOptions(target{entry: e}, providers.Options{Threads: 1})
	assert.Equal(t, fault.Missing, fault.KindOf(err), "%v", err)
}

func TestAnOpenThatIsCancelledOpensNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := Open(ctx, config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false)))
	assert.ErrorIs(t, err, context.Canceled)
}

// inChild names the library that TestABrokenLibrary's child loads first.
const inChild = "EMBEDGATE_TEST_FIRST_LIBRARY"

// A process loads one library, so a child of its own meets the bad one.
func TestABrokenLibraryIsMissingAndTheNextOneLoads(t *testing.T) {
	if first := os.Getenv(inChild); first != "" {
		c := config(t, modeltest.Lookup().Write(t), modeltest.Embedding(candidate.PoolMean, false))
		good := c.Library.Path
		c.Library.Path = first
		refused(t, c, fault.Missing, "a file that does not load")
		c.Library.Path = good
		mustOpen(t, c)
		return
	}
	text := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(text, []byte("<html>not found</html>"), 0o600))
	whole, err := os.ReadFile(libraryPath(t))
	require.NoError(t, err)
	start := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(start, whole[:4096], 0o600))
	most := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(most, whole[:len(whole)-1], 0o600))
	for name, library := range map[string]string{"text": text, "a library's start": start, "all but a byte": most} {
		t.Run(name, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestABrokenLibraryIsMissingAndTheNextOneLoads$")
			child.Env = append(os.Environ(), inChild+"="+library)
			out, err := child.CombinedOutput()
			assert.NoError(t, err, "%s", out)
		})
	}
}
