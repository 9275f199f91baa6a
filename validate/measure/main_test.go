package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/measure/child"
	"github.com/embedgate/embedgate/validate/measure/protocol"
)

// The environment of a test's child: what its fake session does, and where it
// writes its process id when it does that.
const (
	envFake = "EMBEDGATE_TEST_FAKE" // "ok", or "WHAT@N": WHAT happens in the session's Nth run
	envPID  = "EMBEDGATE_TEST_PID"
	envLog  = "EMBEDGATE_TEST_LOG"  // a file that gets a line when a fake session opens and when it closes
	envWho  = "EMBEDGATE_TEST_WHO"  // the provider whose process dies in a pair
	envPlan = "EMBEDGATE_TEST_PLAN" // a file that a session which records writes to stderr
	envLib  = "EMBEDGATE_TEST_LIB"  // a library's environment; it is written to the log
)

// TestMain makes the test binary the child of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "measure-child" {
		os.Exit(testChild(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func testChild(args []string) int {
	with := child.Openers()
	if fake := os.Getenv(envFake); fake != "" {
		with[providers.ONNXRuntime] = child.Opener{
			Session: func(_ context.Context, _ providers.Entry, j protocol.Job) (providers.Session, error) {
				return openFake(fake, j)
			},
			Record: func(_ context.Context, _ providers.Entry, j protocol.Job) (child.Recorder, error) {
				s, err := openFake(fake, j)
				return &fakeRecorder{fakeSession: s}, err
			},
		}
	}
	if err := child.RunWith(context.Background(), args, os.Stdin, os.Stdout, with); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

// fakeSession returns numbers made of the ids, and can fail in several ways.
type fakeSession struct {
	job  protocol.Job
	what string
	at   int64
	runs atomic.Int64

	closed atomic.Bool
}

func openFake(fake string, j protocol.Job) (*fakeSession, error) {
	what, at, _ := strings.Cut(fake, "@")
	s := &fakeSession{job: j, what: what}
	s.at, _ = strconv.ParseInt(at, 10, 64)
	logLine("open", j)
	switch what {
	case "bad-model":
		return nil, &fault.Error{Kind: fault.Usage, Thing: "fake.onnx", Got: "nonsense", Wanted: "a model",
			Next: "export it again", Err: errors.New("protobuf")}
	case "dies-in-placement":
		if j.Kind == protocol.PlacementKind {
			s.what, s.at = "segv", 4
		}
	case "no-device":
		return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + j.Provider, Got: "no device",
			Wanted: "one", Next: "plug one in"}
	case "loses-device":
		if j.Kind == protocol.LatencyKind && j.Launch == 2 {
			return nil, &fault.Error{Kind: fault.Missing, Thing: "provider " + j.Provider, Got: "no device"}
		}
	case "pair-dies":
		if who := os.Getenv(envWho); j.Kind == protocol.PairKind && j.Launch == 2 && j.Provider == who {
			s.what, s.at = "kill", 5
		}
	case "cannot-open":
		return nil, errors.New("no device answered")
	case "dies-in-latency":
		if j.Kind == protocol.LatencyKind && j.Launch == 2 {
			s.what, s.at = "kill", 30
		}
	}
	return s, nil
}

func (s *fakeSession) Run(ctx context.Context, b providers.Batch, out []float32) ([]float32, error) {
	if s.what == "slow" && (s.job.Kind == protocol.LatencyKind || s.job.Kind == protocol.PairKind) {
		time.Sleep(20 * time.Millisecond)
	}
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

// signal sends a process a signal, on systems that have them.
func signal(pid int, sig os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(sig)
}

func (s *fakeSession) misbehave(ctx context.Context) error {
	if path := os.Getenv(envPID); path != "" {
		if err := protocol.WriteJSON(path, os.Getpid()); err != nil {
			return err
		}
	}
	switch s.what {
	case "segv":
		_ = signal(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Minute)
	case "kill":
		_ = signal(os.Getpid(), syscall.SIGKILL)
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
func (s *fakeSession) Close() error {
	if s.closed.CompareAndSwap(false, true) {
		logLine("close", s.job)
	}
	return nil
}
func (s *fakeSession) Info() providers.Info {
	return providers.Info{Provider: s.job.Provider, Runtime: "fake", Options: s.job.Options}
}

// fakeRecorder records one node a length, on its own provider.
type fakeRecorder struct {
	*fakeSession
	records []providers.Placement
}

func (r *fakeRecorder) Run(ctx context.Context, b providers.Batch, runs int) error {
	for range 1 + runs {
		if _, err := r.fakeSession.Run(ctx, b, nil); err != nil {
			return err
		}
	}
	e, _ := providers.Lookup(r.job.Provider)
	r.records = append(r.records, providers.Placement{
		Assigned: []providers.Subgraph{{EP: e.EP, Nodes: []providers.Node{{Name: "m", Op: "MatMul"}}}},
		Events:   []providers.NodeEvent{{Name: "m", Op: "MatMul", EP: e.EP, Inputs: [][]int64{{int64(b.Rows), int64(b.Cols)}}, Runs: runs, NS: 5}},
	})
	return nil
}

func (r *fakeRecorder) Finish() ([]providers.Placement, error) {
	if path := os.Getenv(envPlan); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stderr.Write(b); err != nil {
			return nil, err
		}
	}
	return r.records, r.Close()
}

func (r *fakeRecorder) Info() providers.Info {
	i := r.fakeSession.Info()
	i.Options.Provider = map[string]string{"profile": "1"}
	return i
}

// logLine writes a line when a session opens or closes.
func logLine(what string, j protocol.Job) {
	path := os.Getenv(envLog)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, what, j.Kind, j.Launch, j.Provider, filepath.Base(j.Model), j.Library.Path+os.Getenv(envLib))
}
