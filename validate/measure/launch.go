package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/embedgate/embedgate/export/cache"
	"github.com/embedgate/embedgate/internal/fault"
	"github.com/embedgate/embedgate/internal/procgroup"
	"github.com/embedgate/embedgate/internal/progress"
	"github.com/embedgate/embedgate/providers"
	"github.com/embedgate/embedgate/validate/evidence"
	"github.com/embedgate/embedgate/validate/measure/protocol"
	"github.com/embedgate/embedgate/validate/measure/stderr"
)

// outcome is the result of a child process.
type outcome struct {
	result     protocol.ChildResult
	vectors    evidence.Vectors
	toFirst    time.Duration // from its start until its first vector; 0: there was none
	devicePlan []providers.PlannedOp
	crash      *evidence.Crash
}

// launch runs one step's child to its end. A child that died or stalled, or
// whose session failed, is an outcome with a crash. An error is one that a user
// must act on, or a failure of embedgate itself. After ctx is cancelled the
// child and all processes that it started are dead, and the error is ctx's.
func launch(ctx context.Context, o Options, s step) (outcome, error) {
	dir, err := cache.TempDir("embedgate-measure-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, protocol.JobName)
	if err := protocol.WriteJSON(path, s.job); err != nil {
		return outcome{}, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := watch{progress: o.Progress, stall: o.Stall, step: s, cancel: cancel}
	if stderr.DevicePlanOf(s.job) != nil {
		w.devicePlan = stderr.NewDevicePlanReader()
		defer w.devicePlan.Close()
	}
	argv, err := o.way.Command(dir, slices.Concat(o.Executable, []string{path}))
	if err != nil {
		return outcome{}, err
	}
	state, err := w.run(ctx, argv)
	if errors.Is(context.Cause(ctx), errStalled) {
		err = nil
	} else if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if err != nil {
		return outcome{}, fmt.Errorf("start a measuring process: %w", err)
	}
	out, err := collect(dir)
	if err != nil {
		return outcome{}, err
	}
	out.toFirst = w.toFirst
	out.crash, err = w.classify(ctx, state, dir, out.result.Complete)
	if err != nil || out.crash != nil || w.devicePlan == nil {
		return out, err
	}
	if out.devicePlan, err = w.devicePlan.Plan(); err != nil { // of the provider, not of this program
		out.crash = &evidence.Crash{Stage: string(s.job.Kind), Exit: 1, Stderr: err.Error()}
	}
	return out, nil
}

// watch follows one child.
type watch struct {
	progress progress.Sink
	stall    time.Duration
	step     step
	cancel   context.CancelCauseFunc

	started    time.Time
	timer      *time.Timer
	stage      string
	toFirst    time.Duration
	stderr     stderr.Tail
	devicePlan *stderr.DevicePlanReader // nil: none is expected
}

// goCrash is the exit status of a Go program whose runtime reports a crash.
const goCrash = 2

var errStalled = errors.New("no sign of life")

// run starts the child and waits for its end, however it ends.
func (w *watch) run(ctx context.Context, argv []string) (*os.ProcessState, error) {
	// Linux signals a child that its parent died when the thread that started
	// it ends. So that thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	procgroup.KillOnCancel(cmd)
	// One traceback, and exit status 2: what stderr.Tail and classify expect.
	cmd.Env = slices.Concat(os.Environ(), w.step.job.Library.Env, []string{"GOTRACEBACK=single"})
	cmd.Stdout = &protocol.MessageReader{Handle: w.receive}
	cmd.Stderr = &w.stderr
	if plan := stderr.DevicePlanOf(w.step.job); plan != nil {
		cmd.Env = append(cmd.Env, plan.Env...)
		cmd.Stderr = io.MultiWriter(&w.stderr, w.devicePlan)
	}
	cmd.WaitDelay = 5 * time.Second
	// The child ends when this closes, which it does when this process dies.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()

	w.timer = time.AfterFunc(w.stall, func() { w.cancel(errStalled) })
	defer w.timer.Stop()
	w.started = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = cmd.Wait() // the state says more
	return cmd.ProcessState, nil
}

// receive handles one message of the child.
func (w *watch) receive(n protocol.Message) {
	if n.First && w.toFirst == 0 {
		w.toFirst = time.Since(w.started)
	}
	w.timer.Reset(w.stall)
	if n.Stage != "" {
		w.stage = n.Stage
	}
	if n.Message != "" && w.step.total == 0 { // dozens of processes are one line of progress
		w.progress.Step(n.Done, n.Total, n.Unit, "%s: %s", w.step.title, n.Message)
	}
}

// classify turns a child's end into nothing, a crash to record, or an error.
func (w *watch) classify(ctx context.Context, s *os.ProcessState, dir string, complete bool) (*evidence.Crash, error) {
	crash := &evidence.Crash{Stage: cmp.Or(w.stage, "load"), Signal: procgroup.Signal(s), Exit: s.ExitCode(), Stderr: w.stderr.Text()}
	if crash.Exit == goCrash {
		crash.Signal = w.stderr.Signal
	}
	if errors.Is(context.Cause(ctx), errStalled) {
		crash.Stderr = fmt.Sprintf("killed: no sign of life for %v\n%s", w.stall, crash.Stderr)
		return crash, nil
	}
	var childError protocol.ChildError
	switch err := protocol.ReadJSON(filepath.Join(dir, protocol.ErrorName), &childError); {
	case err == nil && childError.IsFinding():
		crash.Stderr = childError.AsError().Error()
		return crash, nil
	case err == nil:
		return nil, childError.AsError()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	switch {
	case s.Success() && complete:
		return nil, nil
	case s.Success():
		return nil, &fault.Error{Kind: fault.Internal, Thing: "measuring process", Got: "an end without a result", Wanted: "a result"}
	case w.stage == "" && crash.Signal == "":
		return nil, &fault.Error{Kind: fault.Internal, Thing: "measuring process",
			Got: fmt.Sprintf("exit status %d before it began: %s", crash.Exit, crash.Stderr), Wanted: "a measurement"}
	}
	return crash, nil
}

// collect reads what a child has finished.
func collect(dir string) (outcome, error) {
	var out outcome
	err := protocol.ReadJSON(filepath.Join(dir, protocol.ResultName), &out.result)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil || out.result.Vectors == "" {
		return out, err
	}
	e, err := evidence.Read(filepath.Join(dir, filepath.Base(out.result.Vectors)))
	out.vectors = e.Raw
	return out, err
}
