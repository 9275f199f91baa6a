package devicetest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/exporttest"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/providers/library"
	"github.com/embedgate/embedgate/providers/ort"
	"github.com/embedgate/embedgate/providers/providertest"
)

// onProvider makes this test binary a process that runs the conformance suite
// on the provider it names.
const onProvider = "EMBEDGATE_TEST_PROVIDER"

// Hardware that is not here is the one thing that is skipped in CI too.
func TestOtherProvidersOfThisMachineConform(t *testing.T) {
	if testing.Short() {
		t.Skip("exports a model and fetches libraries")
	}
	if name := os.Getenv(onProvider); name != "" {
		conformsOn(t, name)
		return
	}
	for _, e := range providers.Catalogue {
		if e.Name == "cpu" || e.Name == "webgpu" {
			continue // they have tests of their own, which are not skipped
		}
		t.Run(e.Name, func(t *testing.T) {
			if found, _, ok := library.State(background, e, library.Options{}); !ok {
				t.Skip(found)
			}
			out := child(t, "TestOtherProvidersOfThisMachineConform", onProvider+"="+e.Name)
			switch ended(out, "TestOtherProvidersOfThisMachineConform") {
			case "SKIP":
				t.Skipf("%s", out)
			case "PASS":
				t.Logf("%s", out)
			default:
				t.Errorf("neither passed nor skipped:\n%s", out)
			}
		})
	}
}

// child runs a test of this binary in a process of its own, which must not fail,
// and returns what it said.
func child(t *testing.T, test string, env ...string) string {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v", "-test.timeout=9m")
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// ended is how a test itself ended, by what its process said with -test.v: a
// rule of the suite that is skipped is a test below it.
func ended(out, test string) string {
	for line := range strings.Lines(out) {
		if how, rest, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(how, "--- ") && strings.HasPrefix(rest, test+" (") {
			return strings.TrimPrefix(how, "--- ")
		}
	}
	return ""
}

func TestASkippedRuleIsNoSkippedSuite(t *testing.T) {
	for want, out := range map[string]string{
		"PASS": "=== RUN   TestX\n=== RUN   TestX/rule\n--- PASS: TestX (0.02s)\n    --- SKIP: TestX/rule (0.00s)\n    --- PASS: TestX/other (0.01s)\nPASS\n",
		"SKIP": "=== RUN   TestX\n    others_test.go:68: no device\n--- SKIP: TestX (0.02s)\nPASS\n",
		"":     "=== RUN   TestXY\n--- SKIP: TestXY (0.02s)\ntesting: warning: no tests to run\nPASS\n",
	} {
		require.Equal(t, want, ended(out, "TestX"), "%s", out)
	}
}

func conformsOn(t *testing.T, name string) {
	e, ok := providers.Lookup(name)
	require.True(t, ok)
	l, err := library.Find(background, e, library.Options{})
	if fault.KindOf(err) == fault.Missing {
		t.Skip(err)
	}
	require.NoError(t, err)
	c := exporttest.TinyCandidate(t)
	config := ort.Config{Library: l, Model: model(c), Provider: name, Embedding: c.Manifest.Embedding}
	s, err := ort.Open(background, config)
	if fault.KindOf(err) == fault.Missing {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, s.Close())
	providertest.Run(t, func(t providertest.T) providers.Session {
		s, err := ort.Open(background, config)
		require.NoError(t, err)
		return s
	}, providertest.Facts{
		Provider: name, Dim: config.Embedding.Dimension, MaxTokens: config.Embedding.MaxTokens, Vocab: vocabulary(t, c),
		// A device may compute in half precision: a vector then moves by some
		// units in the last of its ten bits.
		Normalize: config.Embedding.Normalize, Tolerance: 2e-3, SlowRows: 64,
	})
}
