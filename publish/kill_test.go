package publish

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/embedgate/embedgate/internal/fault"
)

// childEnv holds a childJob for this test binary, which is started again.
const childEnv = "EMBEDGATE_TEST_PUBLISH"

// childJob is a publish in another process, which can be killed.
type childJob struct {
	Fixture, Target string
	DieAt           string        // the step before which it kills itself; "": none
	Pause           time.Duration // before each step, so that a kill can hit every step
}

// childResult is what the child prints if it is not killed.
type childResult struct {
	Existed bool
	Kind    fault.Kind
	Err     string
	Steps   []string
}

func TestMain(m *testing.M) {
	if raw := os.Getenv(childEnv); raw != "" {
		var j childJob
		if err := json.Unmarshal([]byte(raw), &j); err != nil {
			panic(err)
		}
		j.run()
		return
	}
	os.Exit(m.Run())
}

func (j childJob) run() {
	var r childResult
	f, err := load(j.Fixture)
	if err != nil {
		panic(err)
	}
	o := Options{
		CandidateDir: f.at("candidate"), Golden: f.Set, EvidenceDirs: []string{f.at("evidence", "cpu")}, VerdictFile: f.at("verdict.json"),
		Policy: f.Policy, Channel: "local", Nonce: "plan", Target: j.Target,
		step: func(s string) {
			if len(r.Steps) == 0 {
				fmt.Println("started")
			}
			r.Steps = append(r.Steps, s)
			if s == j.DieAt {
				p, err := os.FindProcess(os.Getpid())
				if err == nil {
					err = p.Kill()
				}
				panic(fmt.Sprint("still alive: ", err))
			}
			time.Sleep(j.Pause)
		},
	}
	got, err := Publish(context.Background(), o)
	r.Existed = got.Existed
	if err != nil {
		r.Kind, r.Err = fault.KindOf(err), err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
}

// tmpPrefix begins the names that package dirstore gives unfinished releases.
const tmpPrefix = ".tmp-release-"

// A child is a started childJob.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func (j childJob) start(t testing.TB) child {
	raw, err := json.Marshal(j)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(exe)
	c.Env = append(os.Environ(), childEnv+"="+string(raw))
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	return child{c, bufio.NewReader(out)}
}

// result waits for a child that is not killed.
func (c child) result(t testing.TB) (r childResult) {
	b, err := io.ReadAll(c.out)
	require.NoError(t, err)
	require.NoError(t, c.cmd.Wait())
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(string(b), "started\n")), &r), "%s", b)
	return r
}

// wholeOrAbsent wants no release in target, or one that verifies, and returns
// which. The lock and the temporary folder of a killed publisher may be there.
func wholeOrAbsent(t testing.TB, target string) (released bool) {
	entries, err := os.ReadDir(target)
	if os.IsNotExist(err) {
		return false
	}
	require.NoError(t, err)
	for _, e := range entries {
		switch {
		case e.Name() == tinyName:
			_, err := verify(t.Context(), filepath.Join(target, tinyName))
			require.NoError(t, err, "a release that is there is whole")
			released = true
		case e.Name() == ".embedgate.lock", strings.HasPrefix(e.Name(), tmpPrefix):
		default:
			assert.Fail(t, "something else in the target", e.Name())
		}
	}
	return released
}

// nextSucceeds publishes after a publisher was killed, and wants a whole release
// and no temporary folder.
func nextSucceeds(t testing.TB, f *fixture, target string, released bool) {
	r, err := Publish(t.Context(), f.options(t, target))
	require.NoError(t, err)
	require.Equal(t, released, r.Existed)
	require.True(t, wholeOrAbsent(t, target))
	if !released {
		left, err := filepath.Glob(filepath.Join(target, tmpPrefix+"*"))
		require.NoError(t, err)
		require.Empty(t, left, "what the dead one left is gone")
	}
}

func TestAPublisherKilledBeforeAnyStepLeavesNoPartialRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("publishes dozens of times: run without -short")
	}
	f := newFixture(t)
	all := childJob{Fixture: f.dir, Target: filepath.Join(t.TempDir(), "dist")}.start(t).result(t)
	require.Empty(t, all.Err)
	require.Greater(t, len(all.Steps), 15)
	for i, step := range all.Steps {
		target := filepath.Join(t.TempDir(), "dist")
		c := childJob{Fixture: f.dir, Target: target, DieAt: step}.start(t)
		require.Error(t, c.cmd.Wait(), "it killed itself")
		require.Equal(t, -1, c.cmd.ProcessState.ExitCode(), "by a signal, with no time to tidy up")
		released := wholeOrAbsent(t, target)
		require.Equal(t, i == len(all.Steps)-1, released, "before step %q", step)
		nextSucceeds(t, &f, target, released)
	}
}

func TestAPublisherKilledAtAnyMomentLeavesNoPartialRelease(t *testing.T) {
	moments, pause := 25, 2*time.Millisecond
	if testing.Short() {
		moments = 5
	}
	f := newFixture(t)
	r := rand.New(rand.NewPCG(1, 9))
	// The duration of a publish on this machine, from its first step.
	c := childJob{Fixture: f.dir, Target: filepath.Join(t.TempDir(), "dist"), Pause: pause}.start(t)
	_, err := c.out.ReadString('\n')
	require.NoError(t, err)
	began := time.Now()
	c.result(t)
	usual := time.Since(began)
	const before, during, after = "before it was begun", "while it was written", "after the release was there"
	hits := map[string]int{}
	everywhere := func() bool { return hits[before] > 0 && hits[during] > 0 && hits[after] > 0 }
	for n := 0; n < moments || !everywhere(); n++ {
		require.Less(t, n, 10*moments, "kills fell at %v and nowhere else", hits)
		target := filepath.Join(t.TempDir(), "dist")
		c := childJob{Fixture: f.dir, Target: target, Pause: pause}.start(t)
		_, err := c.out.ReadString('\n')
		require.NoError(t, err)
		time.Sleep(time.Duration(r.Int64N(int64(usual) * 5 / 4)))
		_ = c.cmd.Process.Kill() // it may have ended before
		_ = c.cmd.Wait()         // whether it was killed does not matter
		released := wholeOrAbsent(t, target)
		left, err := filepath.Glob(filepath.Join(target, tmpPrefix+"*"))
		require.NoError(t, err)
		switch {
		case released:
			hits[after]++
		case len(left) > 0:
			hits[during]++
		default:
			hits[before]++
		}
		nextSucceeds(t, &f, target, released)
	}
	t.Logf("killed %v", hits)
}

func TestSeveralPublishersAtOnce(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	other.write(t, "candidate/fp32.onnx", tinyONNX([]byte("other weights")))
	other.reseal(t)
	start := func(target string, fs ...*fixture) (rs []childResult) {
		var cs []child
		for _, f := range fs {
			cs = append(cs, childJob{Fixture: f.dir, Target: target, Pause: time.Millisecond}.start(t))
		}
		for _, c := range cs {
			rs = append(rs, c.result(t))
		}
		return rs
	}
	t.Run("of the same content: one writes, all succeed", func(t *testing.T) {
		target := filepath.Join(t.TempDir(), "dist")
		wrote := 0
		for _, r := range start(target, &f, &f, &f, &f) {
			assert.Empty(t, r.Err)
			if !r.Existed {
				wrote++
			}
		}
		require.Equal(t, 1, wrote)
		require.True(t, wholeOrAbsent(t, target))
	})
	t.Run("of different content under one version: one wins, the other is told", func(t *testing.T) {
		target := filepath.Join(t.TempDir(), "dist")
		rs := start(target, &f, &other)
		if rs[0].Err != "" {
			rs[0], rs[1] = rs[1], rs[0]
		}
		require.Empty(t, rs[0].Err)
		require.Equal(t, fault.Usage, rs[1].Kind, rs[1].Err)
		require.Contains(t, rs[1].Err, "raise release.version")
		require.True(t, wholeOrAbsent(t, target))
	})
}
