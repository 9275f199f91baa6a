package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/embedgate/embedgate/pipeline/fault"
	"github.com/embedgate/embedgate/providers"
)

// The environment of a test's child: what its session does instead of the
// real one, and where it leaves its process id once it does that.
const (
	envFake = "EMBEDGATE_TEST_FAKE" // "ok", or "WHAT@N": WHAT happens in the session's Nth run
	envPID  = "EMBEDGATE_TEST_PID"
)

// TestMain makes the test binary the child of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "measure-child" {
		os.Exit(testChild(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func testChild(args []string) int {
	with := openers()
	if fake := os.Getenv(envFake); fake != "" {
		with[providers.ONNXRuntime] = func(ctx context.Context, e providers.Entry, j job) (providers.Session, error) {
			return openFake(fake, j)
		}
	}
	if err := child(context.Background(), args, os.Stdin, os.Stdout, with); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

// fakeSession answers with numbers made of the ids, and can misbehave.
type fakeSession struct {
	job  job
	what string
	at   int64
	runs atomic.Int64
}

func openFake(fake string, j job) (providers.Session, error) {
	what, at, _ := strings.Cut(fake, "@")
	s := &fakeSession{job: j, what: what}
	s.at, _ = strconv.ParseInt(at, 10, 64)
	switch what {
	case "bad-model":
		return nil, &fault.Error{Kind: fault.Usage, Thing: "fake.onnx", Got: "nonsense", Wanted: "a model",
			Next: "export it again", Err: errors.New("protobuf")}
	case "cannot-open":
		return nil, errors.New("no device answered")
	case "dies-in-latency":
		if j.Kind == latencyKind && j.Launch == 2 {
			s.what, s.at = "kill", 30
		}
	}
	return s, nil
}

func (s *fakeSession) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	if s.runs.Add(1) == s.at {
		if err := s.misbehave(ctx); err != nil {
			return nil, err
		}
	}
	for r := range b.Rows {
		var sum float64
		for c := range b.Cols {
			sum += float64(b.Mask[r*b.Cols+c]*b.IDs[r*b.Cols+c]) * float64(c+1)
		}
		for d := range s.Dim() {
			out = append(out, float32(math.Sin(sum+float64(d))))
		}
	}
	return out, nil
}

func (s *fakeSession) misbehave(ctx context.Context) error {
	if path := os.Getenv(envPID); path != "" {
		if err := writeJSON(path, os.Getpid()); err != nil {
			return err
		}
	}
	switch s.what {
	case "segv":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Minute)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	case "panic":
		panic("a bug of ours")
	case "exit":
		fmt.Fprintln(os.Stderr, "a library calls exit")
		os.Exit(7)
	case "error":
		return errors.New("out of device memory")
	case "hang":
		time.Sleep(10 * time.Minute) // whatever ctx says, as a runtime may
	case "noise":
		fmt.Print("a runtime's line without an end")
	}
	return ctx.Err()
}

func (s *fakeSession) Dim() int       { return 3 }
func (s *fakeSession) MaxTokens() int { return s.job.Embedding.MaxTokens }
func (s *fakeSession) Close() error   { return nil }
func (s *fakeSession) Info() providers.Info {
	return providers.Info{Provider: s.job.Provider, Runtime: "fake", Options: s.job.Options}
}
