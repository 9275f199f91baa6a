package measure

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/export/candidate"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/pipeline/policy"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/child"
	"github.com/embedgate/embedgate/validate/measure/measuretest"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

func TestAMeasurementHonoursItsPlan(t *testing.T) {
	t.Setenv(envFake, "noise@3")
	o := fakeOptions(t)
	var mu sync.Mutex
	var said []string
	o.Progress = func(e progress.Event) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, e.Message)
	}
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)

	assert.Nil(t, ev.Crash)
	assert.Nil(t, ev.NotMeasured)
	assert.Equal(t, []string{"cpu", "fp32", "c0", "p0", "g0", "n0"}, []string{ev.Provider, ev.Variant, ev.Candidate, ev.Policy, ev.Golden, ev.Nonce})
	assert.Equal(t, o.plan(), ev.Plan)
	assert.Equal(t, 1, ev.Session.Options.Threads, "the policy's threads reach the session")
	assert.NotEmpty(t, ev.VectorsSHA256)

	count := map[evidence.LatencyPoint]int{}
	for _, r := range ev.Latency {
		count[r.LatencyPoint] += len(r.SamplesNS)
		assert.Len(t, r.SamplesNS, 10)
		assert.Len(t, r.CalibrationNS, 10)
		assert.Contains(t, []int{1, 2, 3}, r.Launch)
		for _, n := range append(r.SamplesNS, r.CalibrationNS...) {
			assert.Positive(t, n)
		}
	}
	assert.Equal(t, map[evidence.LatencyPoint]int{{Tokens: 6, Batch: 1}: 30, {Tokens: 16, Batch: 4}: 30, {Tokens: 24, Batch: 1}: 30}, count)
	assert.Equal(t, ev.Latency[0].Tokens, ev.Latency[5].Tokens, "the second launch ends with what the first began with")

	require.Len(t, ev.Cold, 3)
	for i, c := range ev.Cold {
		assert.Equal(t, i+1, c.Launch)
		assert.GreaterOrEqual(t, c.FromStartNS, c.LoadNS+c.FirstNS)
		assert.Positive(t, c.FirstNS)
	}
	assert.Len(t, ev.Memory, 4, "the process that makes the vectors needs memory too; one that records is not like them")
	require.Len(t, ev.Placement, 3)
	for k, n := range []int{6, 16, 24} {
		r := ev.Placement[k]
		assert.Equal(t, n, r.Tokens)
		assert.Equal(t, [][]int64{{1, int64(n)}}, r.Events[0].Inputs, "one text of exactly that length")
		assert.Equal(t, 2, r.Events[0].Runs)
	}
	assert.Nil(t, ev.Session.Options.Provider, "the recording session's options are its own")
	assert.Empty(t, ev.Pairs, "the policy compares nothing")
	assert.NotEmpty(t, said)
}

func TestVectorsAreMadeAloneAndInBatches(t *testing.T) {
	t.Setenv(envFake, "ok")
	o := fakeOptions(t)
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)

	n := len(o.Golden.Texts)
	require.Len(t, ev.Raw.IDs, n)
	require.Len(t, ev.Raw.Primary, n*3)
	tok := measuretest.SmallTok(t)
	var useful int64
	for i, text := range o.Golden.Texts {
		assert.Equal(t, tok.Append(nil, string(text.Bytes), 24), ev.Raw.IDs[i])
		useful += int64(len(ev.Raw.IDs[i]))
	}
	assert.Equal(t, useful, ev.Useful)
	assert.GreaterOrEqual(t, ev.Computed, ev.Useful)

	seen := map[string]int{}
	for _, r := range ev.Raw.Invariance {
		seen[r.Name] = len(r.Rows)
		require.Len(t, r.Vecs, len(r.Rows)*3)
		for k, row := range r.Rows {
			// The fake session's numbers do not depend on the batch, so this
			// finds a vector in the wrong row.
			assert.Equal(t, ev.Raw.Primary[row*3:row*3+3], r.Vecs[k*3:k*3+3], "%s, row %d", r.Name, k)
		}
	}
	assert.Equal(t, n, seen["batch-32"])
	assert.Equal(t, 2*child.SpreadTexts(n), seen["position"])
	assert.GreaterOrEqual(t, seen["concurrent"], 2*child.SpreadTexts(n))
	assert.Greater(t, seen["padded"], 16)
	assert.Len(t, seen, 4)
}

func TestAProviderThatIsNotHereIsEvidenceToo(t *testing.T) {
	for _, c := range []struct{ provider, reason, remedy string }{
		{"directml", "", "directml"},
		{"abacus", "no provider abacus", "cpu"},
	} {
		t.Run(c.provider, func(t *testing.T) {
			o := fakeOptions(t)
			o.Provider, o.Executable = c.provider, []string{"/must/not/start"}
			ev, err := Run(t.Context(), o)
			require.NoError(t, err)
			require.NotNil(t, ev.NotMeasured)
			assert.Contains(t, ev.NotMeasured.Reason, c.reason)
			assert.Contains(t, ev.NotMeasured.Remedy, c.remedy)
			assert.Empty(t, ev.Latency)
			assert.Empty(t, ev.VectorsSHA256)
			assert.Equal(t, "c0", ev.Candidate)
		})
	}
}

func TestADyingChildIsRecordedWithItsSignal(t *testing.T) {
	for _, c := range []struct {
		name, fake, stage, signal, stderr string
		vectors                           bool
	}{
		{"a segmentation fault before the first vector", "segv@1", "load", "SIGSEGV", "SIGSEGV", false},
		{"a segmentation fault among the vectors", "segv@5", "vectors", "SIGSEGV", "SIGSEGV", false},
		{"a segmentation fault among the invariance runs", "segv@60", "vectors", "SIGSEGV", "SIGSEGV", true},
		{"a kill in the second latency launch", "dies-in-latency", "latency", "SIGKILL", "", true},
		{"a segmentation fault while it is recorded", "dies-in-placement", "placement", "SIGSEGV", "SIGSEGV", true},
		{"a library that exits", "exit@5", "vectors", "", "calls exit", false},
		{"a bug of ours", "panic@5", "vectors", "", "a bug of ours", false},
		{"a session that fails", "error@5", "vectors", "", "out of device memory", false},
		{"a session that cannot be opened", "cannot-open", "load", "", "no device answered", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(envFake, c.fake)
			ev, err := Run(t.Context(), fakeOptions(t))
			require.NoError(t, err)
			require.NotNil(t, ev.Crash)
			assert.Equal(t, c.stage, ev.Crash.Stage)
			assert.Equal(t, c.signal, ev.Crash.Signal)
			assert.Contains(t, ev.Crash.Stderr, c.stderr)
			assert.NotZero(t, ev.Crash.Exit)
			assert.Equal(t, c.vectors, len(ev.Raw.Primary) > 0, "what was finished is kept")
			if c.stage == "latency" {
				assert.Len(t, ev.Cold, 2, "the launch before it is kept, the next is not started")
			}
		})
	}
}

func TestAKillFromOutsideIsRecorded(t *testing.T) {
	t.Setenv(envFake, "hang@5")
	pid := pidFile(t)
	go func() { _ = signal(<-pid, os.Kill) }()
	ev, err := Run(t.Context(), fakeOptions(t))
	require.NoError(t, err)
	require.NotNil(t, ev.Crash)
	assert.Equal(t, "SIGKILL", ev.Crash.Signal)
	assert.Equal(t, "vectors", ev.Crash.Stage)
}

func TestAChildThatHangsIsKilledAndRecorded(t *testing.T) {
	t.Setenv(envFake, "hang@5")
	o := fakeOptions(t)
	o.Stall = time.Second // a busy machine may not even have begun by then
	ev, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.NotNil(t, ev.Crash)
	assert.NotEmpty(t, ev.Crash.Stage)
	assert.Contains(t, ev.Crash.Stderr, "no sign of life for 1s")
}

func TestAFaultPassesThroughWithItsKind(t *testing.T) {
	t.Setenv(envFake, "bad-model")
	o := fakeOptions(t)
	_, err := Run(t.Context(), o)
	require.Error(t, err)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
	assert.Equal(t, "fake.onnx: got nonsense, wanted a model: protobuf; next: export it again", err.Error())
	assert.NoFileExists(t, filepath.Join(o.Out, evidence.FileName))
}

func TestAnInterruptLeavesWhatWasThereAndNoProcess(t *testing.T) {
	t.Setenv(envFake, "hang@5")
	o := fakeOptions(t)
	require.NoError(t, evidence.Write(o.Out, evidence.Evidence{Provider: "cpu", Variant: "fp32", Nonce: "old"}))
	ctx, cancel := context.WithCancel(t.Context())
	pid := pidFile(t)
	var child int
	go func() {
		child = <-pid
		cancel()
	}()
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, signal(child, syscall.Signal(0)), os.ErrProcessDone, "the child has ended")
	old, err := evidence.Read(o.Out)
	require.NoError(t, err)
	assert.Equal(t, "old", old.Nonce)
	assertAlone(t, o.Out)
}

func TestNewEvidenceReplacesOldEvidenceAndNothingElse(t *testing.T) {
	t.Setenv(envFake, "ok")
	o := fakeOptions(t)
	o.Provider = "directml"
	require.NoError(t, evidence.Write(o.Out, evidence.Evidence{Nonce: "old", Raw: evidence.Vectors{Dim: 1, IDs: [][]int64{{1}}, Primary: []float32{1}}}))
	_, err := Run(t.Context(), o)
	require.NoError(t, err)
	ev, err := evidence.Read(o.Out)
	require.NoError(t, err)
	assert.Equal(t, "n0", ev.Nonce)
	assertAlone(t, o.Out)

	precious := filepath.Join(o.Out, "thesis.txt")
	require.NoError(t, os.WriteFile(precious, nil, 0o600))
	_, err = Run(t.Context(), o)
	assert.Equal(t, fault.Usage, fault.KindOf(err))
	assert.FileExists(t, precious)
}

func TestWhatCannotBeMeasuredIsRefusedBeforeAnythingStarts(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(*Options)
		want string
	}{
		{"a variant that the candidate has not", func(o *Options) { o.Variant = "int4" }, "int4"},
		{"a budget longer than the model takes", func(o *Options) { o.Policy.Latency.Budgets[0].Tokens = 25 }, "25 tokens"},
		{"a file that no budget fits", func(o *Options) {
			v := o.Candidate.Manifest.Variants["fp32"]
			v.Inputs = []candidate.Tensor{{Name: "input_ids", Shape: []string{"1", "5"}}}
			o.Candidate.Manifest.Variants["fp32"] = v
		}, "fixed to 5 tokens"},
		{"a comparison with a variant that the candidate has not", func(o *Options) {
			o.Policy.WorthIt = &policy.WorthIt{Provider: "webgpu", Variant: "int4"}
		}, "worth_it.variant"},
		{"a golden without texts", func(o *Options) { o.Golden.Texts = nil }, "golden"},
		{"a model that changed after it was read", func(o *Options) {
			o.Candidate.Manifest.Files["fake.onnx"] = candidate.File{SHA256: "00", Bytes: 1}
		}, "fake.onnx"},
		{"a tokenizer that the manifest does not name", func(o *Options) { delete(o.Candidate.Manifest.Files, tokenizerName) }, tokenizerName},
		{"no place for the evidence", func(o *Options) { o.Out = "" }, "evidence"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := fakeOptions(t)
			o.Executable = []string{"/must/not/start"}
			c.bend(&o)
			_, err := Run(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			assert.Equal(t, fault.Usage, fault.KindOf(err))
		})
	}
}

func TestAProgramThatIsNoChildIsOurOwnFault(t *testing.T) {
	for name, argv := range map[string][]string{
		"absent":             {"/must/not/be/there"},
		"ends well":          {"true"},
		"knows no such word": {"false"},
	} {
		t.Run(name, func(t *testing.T) {
			o := fakeOptions(t)
			o.Executable = argv
			_, err := Run(t.Context(), o)
			require.Error(t, err)
			assert.Equal(t, fault.Internal, fault.KindOf(err))
			assert.NoDirExists(t, o.Out)
		})
	}
}

func TestAChildRefusesTheWrongArguments(t *testing.T) {
	assert.Equal(t, fault.Usage, fault.KindOf(child.Run(t.Context(), nil)))
	assert.Error(t, child.Run(t.Context(), []string{filepath.Join(t.TempDir(), "absent.json")}))
}

// pidFile makes the child write its process id when it misbehaves, and sends it
// on the channel.
func pidFile(t *testing.T) <-chan int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pid")
	t.Setenv(envPID, path)
	ctx := t.Context()
	ch := make(chan int, 1)
	go func() {
		for ctx.Err() == nil {
			var pid int
			if protocol.ReadJSON(path, &pid) == nil {
				ch <- pid
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return ch
}

// assertAlone requires that nothing else is beside dir.
func assertAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
