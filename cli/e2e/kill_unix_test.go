//go:build unix

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/pipeline"
)

// envStages makes the program say on stderr which stage it enters, which some
// stages do not do by themselves. Its value is the stage before which the
// program kills itself, or "none".
const envStages = "EMBEDGATE_TEST_STAGES"

const entered = "entered stage "

// watchedStage says that it begins, and may die before it.
type watchedStage struct {
	pipeline.Stage
	dieAt string
}

func (s watchedStage) Run(ctx context.Context, st *pipeline.State) error {
	fmt.Fprintln(os.Stderr, entered+s.String())
	if s.dieAt == s.String() {
		err := syscall.Kill(os.Getpid(), syscall.SIGKILL)
		panic(fmt.Sprint("still alive: ", err))
	}
	return s.Stage.Run(ctx, st)
}

func init() {
	if dieAt := os.Getenv(envStages); dieAt != "" {
		for i, s := range pipeline.Stages {
			pipeline.Stages[i] = watchedStage{s, dieAt}
		}
	}
}

// A visit is a stage that a run entered, and when, since the run began.
type visit struct {
	stage string
	at    time.Duration
}

// watched starts a run into target that says its stages and dies at dieAt. It
// kills the run, children included, that long after it enters the stage
// killIn. It returns the stages entered, and whether a signal ended the run.
func (w tiny) watched(t *testing.T, target, dieAt, killIn string, after time.Duration) (visits []visit, killed bool) {
	t.Helper()
	c := w.command("run", "--to", target, "--providers", "cpu")
	c.Env = append(slices.Clone(c.Env), envStages+"="+dieAt)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, c.Start())
	kill := func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(stderr, &said))
	for lines.Scan() {
		stage, ok := strings.CutPrefix(lines.Text(), entered)
		if !ok {
			continue
		}
		visits = append(visits, visit{stage, time.Since(began)})
		if stage == killIn {
			defer time.AfterFunc(after, kill).Stop()
		}
	}
	require.NoError(t, lines.Err())
	err = c.Wait()
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	if !status.Signaled() {
		require.NoError(t, err, "%s", said.String())
	}
	return visits, status.Signaled()
}

func TestARunThatIsKilledLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program dozens of times: run without -short")
	}
	t.Parallel()
	w := newTiny(t)
	for i, st := range pipeline.Stages {
		t.Run("before "+st.String(), func(t *testing.T) {
			target := "dist-" + st.String()
			visits, killed := w.watched(t, target, st.String(), "", 0)
			require.True(t, killed)
			require.Len(t, visits, i+1, "it died where it was to die")
			require.False(t, w.whole(t, target), "nothing is published before its stage")
			if i%3 == 0 { // after each of them the same next run: some are enough
				w.succeeds(t, target)
			}
		})
	}

	w.forgetExports(t)
	visits, killed := w.watched(t, "dist-timed", "none", "", 0)
	require.False(t, killed)
	usual := map[string]time.Duration{}
	for i, v := range visits[:len(visits)-1] {
		usual[v.stage] = visits[i+1].at - v.at
	}
	moments := rand.New(rand.NewPCG(1, 2))
	for _, stage := range []string{"export", "measure", "gate", "publish"} {
		t.Run("during "+stage, func(t *testing.T) { w.killedDuring(t, stage, max(usual[stage], 10*time.Millisecond), moments) })
	}
	w.succeeds(t, "dist")
}

// forgetExports empties the cache of candidates.
func (w tiny) forgetExports(t *testing.T) {
	t.Helper()
	dir := filepath.Join(w.cache, "embedgate", "exports")
	require.DirExists(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.Mkdir(dir, 0o755))
}

// killedDuring kills runs until some have died in the stage, most in the one
// that could leave half a release. A kill that comes too late, when the run has
// left the stage, is as good a moment, but another.
func (w tiny) killedDuring(t *testing.T, stage string, usual time.Duration, moments *rand.Rand) {
	wanted := 2
	if stage == "publish" {
		wanted = 3
	}
	within := 0
	for tries := 0; within < wanted; tries++ {
		require.Less(t, tries, 10*wanted, "only %d kills fell within the stage", within)
		if stage == "export" { // what is in the cache is not exported
			w.forgetExports(t)
		}
		after := time.Duration(moments.Float64() * float64(usual))
		visits, killed := w.watched(t, "dist", "none", stage, after)
		if killed && visits[len(visits)-1].stage == stage {
			within++
		}
		published := w.whole(t, "dist")
		if !killed {
			require.True(t, published)
		}
		if published {
			require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "dist")))
		}
	}
}
