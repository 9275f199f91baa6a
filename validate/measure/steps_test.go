package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/files"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
)

// accelerator returns a provider that not every machine has and that this
// platform supports.
func accelerator(t testing.TB) string {
	t.Helper()
	for _, e := range providers.Catalogue {
		if _, _, ok := e.Available(); ok && len(e.Platforms) > 0 {
			return e.Name
		}
	}
	t.Skip("the catalogue has no accelerator for this platform")
	return ""
}

// pairOptions compares an accelerator with the CPU, which runs another file.
func pairOptions(t testing.TB) Options {
	t.Helper()
	o := fakeOptions(t)
	o.Provider = accelerator(t)
	require.NoError(t, os.WriteFile(filepath.Join(o.Candidate.Dir, "small.onnx"), []byte("another"), 0o600))
	id, err := files.HashFile(filepath.Join(o.Candidate.Dir, "small.onnx"))
	require.NoError(t, err)
	o.Candidate.Manifest.Files["small.onnx"] = id
	o.Candidate.Manifest.Variants["small"] = candidate.Variant{File: "small.onnx", Precision: candidate.INT8}
	o.Policy.Variants = map[string]policy.Variant{"fp32": {}, "small": {}, "small-too": {File: "small"}}
	o.Policy.Providers[o.Provider] = policy.Provider{Variants: []string{"fp32"}, Options: map[string]string{"power": "low"}}
	o.Policy.WorthIt = &policy.WorthIt{Provider: "cpu", Variant: "small-too", Tokens: []int{6, 16}, Rounds: 3, Samples: 4}
	return o
}

// sessionLog makes fake sessions log when they open and close, and returns a
// function that reads the log.
func sessionLog(t testing.TB) (lines func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	t.(interface{ Setenv(k, v string) }).Setenv(envLog, path)
	return func() []string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
}

func TestProcessesComeOneAfterAnotherAndPairsInTurns(t *testing.T) {
	t.Setenv(envFake, "ok")
	o := pairOptions(t)
	o.Libraries = func(_ context.Context, provider string) (providers.Library, error) {
		return providers.Library{Path: "lib-" + provider, Env: []string{envLib + "=+env-of-" + provider}}, nil
	}
	lines := sessionLog(t)
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Nil(t, ev.Crash)

	this := fmt.Sprintf("%s fake.onnx lib-%[1]s+env-of-%[1]s", o.Provider)
	cpu := "cpu small.onnx lib-cpu+env-of-cpu"
	var want []string
	for _, s := range []string{
		"vectors 0 " + this, "placement 0 " + this, "latency 1 " + this, "latency 2 " + this, "latency 3 " + this,
		"pair 1 " + this, "pair 1 " + cpu, "pair 2 " + cpu, "pair 2 " + this, "pair 3 " + this, "pair 3 " + cpu,
	} {
		want = append(want, "open "+s, "close "+s)
	}
	assert.Equal(t, want, lines(), "each closes before the next opens, with its own library, and the sides take turns")

	require.Len(t, ev.Pairs, 3*2*2)
	for i, p := range ev.Pairs {
		round, order := i/4+1, i/2%2
		assert.Equal(t, []int{round, order}, []int{p.Round, p.Order})
		if (round%2 == 1) == (order == 0) {
			assert.Equal(t, []string{o.Provider, "fp32"}, []string{p.Provider, p.Variant})
		} else {
			assert.Equal(t, []string{"cpu", "small-too"}, []string{p.Provider, p.Variant})
		}
		assert.Len(t, p.SamplesNS, 4)
	}
	assert.Equal(t, []int{6, 16, 6, 16, 16, 6}, []int{
		ev.Pairs[0].Tokens, ev.Pairs[1].Tokens, ev.Pairs[2].Tokens, ev.Pairs[3].Tokens, ev.Pairs[4].Tokens, ev.Pairs[5].Tokens,
	}, "the next round begins with the next length, on both sides")
	assert.Equal(t, o.Provider, ev.Session.Provider)
	assert.Equal(t, map[string]string{"power": "low"}, ev.Session.Options.Provider)
	assert.Len(t, ev.Latency, 9, "pairs are no latency launches")
	assert.Len(t, ev.Memory, 4)
	assert.Len(t, ev.Cold, 3)
}

func TestTheDeathOfOneSideOfAPair(t *testing.T) {
	t.Run("of this provider is recorded", func(t *testing.T) {
		t.Setenv(envFake, "pair-dies")
		o := pairOptions(t)
		t.Setenv(envWho, o.Provider)
		ev, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.NotNil(t, ev.Crash)
		assert.Equal(t, "pair", ev.Crash.Stage)
		assert.Equal(t, "SIGKILL", ev.Crash.Signal)
		assert.NotEmpty(t, ev.Latency)
		assert.Equal(t, 2, ev.Pairs[len(ev.Pairs)-1].Round, "the rounds before it are kept")
	})
	t.Run("of the other one is an error", func(t *testing.T) {
		t.Setenv(envFake, "pair-dies")
		t.Setenv(envWho, "cpu")
		o := pairOptions(t)
		_, err := Run(t.Context(), o)
		require.ErrorContains(t, err, "comparison with cpu: got its process ended with SIGKILL during pair")
		assert.NoDirExists(t, o.Out)
	})
}

func TestALimitEndsWhatIsTooSlow(t *testing.T) {
	t.Setenv(envFake, "slow") // 20 ms a run
	o := pairOptions(t)
	o.Policy.Latency.Launches, o.Policy.Latency.Samples = 1, 1000
	o.Policy.Latency.SamplingTimeout = 100 * time.Millisecond
	o.Policy.WorthIt.Rounds, o.Policy.WorthIt.Samples = 1, 1000
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Nil(t, ev.Crash)
	require.Len(t, ev.Latency, 3)
	for _, r := range ev.Latency {
		n := len(r.SamplesNS)
		var sum time.Duration
		for _, ns := range r.SamplesNS {
			sum += time.Duration(ns)
		}
		assert.Len(t, r.CalibrationNS, n)
		assert.LessOrEqual(t, n, 5)
		assert.GreaterOrEqual(t, sum, o.Policy.Latency.SamplingTimeout, "the sample that reaches the limit is the last")
		assert.Less(t, sum-time.Duration(r.SamplesNS[n-1]), o.Policy.Latency.SamplingTimeout)
	}
	for _, p := range ev.Pairs {
		assert.LessOrEqual(t, len(p.SamplesNS), 3, "both processes of a round together have the time of one launch")
		assert.NotEmpty(t, p.SamplesNS)
	}
	assert.Equal(t, int64(100*time.Millisecond), ev.Plan.LimitNS)
}

func TestWhatAMachineLacksIsEvidenceWithItsRemedy(t *testing.T) {
	missing := func(_ context.Context, provider string) (providers.Library, error) {
		return providers.Library{}, &fault.Error{Kind: fault.Missing, Thing: provider, Got: "no library", Next: "fetch it"}
	}
	for _, c := range []struct {
		name, fake string
		libraries  func(context.Context, string) (providers.Library, error)
		reason     string
		remedy     string
	}{
		{"a library", "ok", missing, "got no library", "fetch it"},
		{"a device", "no-device", nil, "got no device, wanted one", "plug one in"},
	} {
		t.Run(c.name+" of an accelerator", func(t *testing.T) {
			t.Setenv(envFake, c.fake)
			o := fakeOptions(t)
			o.Provider, o.Libraries = accelerator(t), c.libraries
			ev, err := Run(t.Context(), o)
			require.NoError(t, err)
			require.NotNil(t, ev.NotMeasured)
			assert.Contains(t, ev.NotMeasured.Reason, c.reason)
			assert.NotContains(t, ev.NotMeasured.Reason, c.remedy)
			assert.Equal(t, c.remedy, ev.NotMeasured.Remedy)
			assert.Equal(t, evidence.Evidence{
				Schema: ev.Schema, Provider: o.Provider, Variant: "fp32", Candidate: "c0", Policy: "p0", Golden: "g0", Nonce: "n0",
				NotMeasured: ev.NotMeasured, Digest: ev.Digest,
			}, ev, "nothing else is claimed")
		})
		t.Run(c.name+" of what every machine can have is an error", func(t *testing.T) {
			t.Setenv(envFake, c.fake)
			o := fakeOptions(t)
			o.Libraries = c.libraries
			_, err := Run(t.Context(), o)
			require.ErrorContains(t, err, c.reason)
			assert.Equal(t, fault.Missing, fault.KindOf(err))
			assert.NoDirExists(t, o.Out)
		})
	}
	t.Run("a library of what it is compared with is an error", func(t *testing.T) {
		o := pairOptions(t)
		o.Executable = []string{"/must/not/start"}
		o.Libraries = func(ctx context.Context, provider string) (providers.Library, error) {
			if provider == "cpu" {
				return missing(ctx, provider)
			}
			return providers.Library{}, nil
		}
		_, err := Run(t.Context(), o)
		require.ErrorContains(t, err, "cpu, which "+o.Provider+" is compared with")
		assert.Equal(t, fault.Missing, fault.KindOf(err))
	})
}

func TestADeviceThatIsLostOnTheWayIsTheProvidersFailure(t *testing.T) {
	t.Setenv(envFake, "loses-device")
	ev, err := Run(t.Context(), fakeOptions(t))
	require.NoError(t, err)
	require.Nil(t, ev.NotMeasured)
	require.NotNil(t, ev.Crash)
	assert.Equal(t, "latency", ev.Crash.Stage)
	assert.Contains(t, ev.Crash.Stderr, "no device")
	assert.Len(t, ev.Cold, 1, "what was finished is kept")
	assert.NotEmpty(t, ev.Raw.Primary)
}

func TestThePolicysWishesReachTheSession(t *testing.T) {
	o := pairOptions(t)
	q := o.Policy.Providers[o.Provider]
	q.Threads, q.IOBinding, q.Placement = 3, true, &policy.Placement{Strict: true}
	o.Policy.Providers[o.Provider] = q
	o.Policy.Variants["fp32"] = policy.Variant{Options: map[string]string{"use_tf32": "1"}}
	for _, s := range steps(o, o.plan(), providers.Library{}, providers.Library{}) {
		if s.other {
			assert.Equal(t, providers.Options{Threads: 1}, s.job.Options)
			continue
		}
		assert.Equal(t, providers.Options{
			Threads: 3, Strict: true, IOBinding: true, Provider: map[string]string{"power": "low", "use_tf32": "1"},
		}, s.job.Options)
	}
}
